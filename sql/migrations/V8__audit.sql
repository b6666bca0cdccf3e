-- What an operator is shown of regions and receipts: the auditor's findings, and how long withdrawals take.

-- Whether some instance has counted how long this one took; each is counted once.
ALTER TABLE receipt ADD measured boolean NOT NULL DEFAULT true;
ALTER TABLE receipt ALTER measured SET DEFAULT false;
CREATE INDEX receipt_unmeasured ON receipt (seq) WHERE NOT measured;

-- How many receipts are open, and how many seconds each of those took that nobody has counted yet. Rows that somebody
-- else is completing or counting are left to the next round.
CREATE FUNCTION measure_receipts(OUT open bigint, OUT seconds float8[])
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH counted AS (
        UPDATE receipt SET measured = true
        WHERE id IN (SELECT id FROM receipt WHERE NOT measured AND effective_everywhere_at IS NOT NULL
                     ORDER BY seq LIMIT 1000 FOR UPDATE SKIP LOCKED)
        RETURNING extract(epoch FROM effective_everywhere_at - requested_at)::float8 AS took
    )
    SELECT (SELECT count(*) FROM receipt WHERE effective_everywhere_at IS NULL),
           coalesce((SELECT array_agg(took) FROM counted), '{}')
$$;

REVOKE ALL ON FUNCTION measure_receipts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION measure_receipts() TO carnet_engine;
