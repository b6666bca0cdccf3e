-- What is asked again and again costs the same however much there is, and what nobody needs any more goes.

-- Warming (DESIGN §3.5): one instance of a region walks through all credentials, so many with each question.

-- What is to be in every region's cache: the accounts that are there. Who asks for a part of them says so of both names,
-- credential and client_id: they are the same, but the planner would read all of one table to find the part of the other.
CREATE OR REPLACE VIEW live_credential AS
SELECT c.credential, c.version, c.changed_at,
       c.poisoned_version IS NOT DISTINCT FROM c.version AS poisoned, a.client_id
FROM credential c JOIN service_account a ON a.client_id = c.credential AND a.deleted_at IS NULL;
CREATE INDEX service_account_live ON service_account (client_id) WHERE deleted_at IS NULL;

-- A region that has caught up is waited for from now on: somebody has walked through everything, beginning after change
-- p_since, and has read all of it back in this epoch. What has changed behind his back is looked at here, but for what
-- has changed within the last seconds (it is on its way, and each flip asks for it by itself). The function of
-- one argument, which looks at everything, stays for programs of before, for as long as they run beside this one.
CREATE FUNCTION promote_region(p_region text, p_epoch bigint, p_since bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    -- When the outbox does not reach back that far, nobody knows what has changed.
    IF p_since > 0 AND NOT EXISTS (SELECT 1 FROM change WHERE seq <= p_since) OR EXISTS (
        SELECT 1 FROM change g
        JOIN live_credential c ON c.credential = g.credential
        LEFT JOIN acknowledgement a
            ON a.credential = c.credential AND a.region = p_region AND a.epoch = p_epoch AND a.version = c.version
        WHERE g.seq > p_since AND a.credential IS NULL
          AND NOT c.poisoned AND c.changed_at < clock_timestamp() - interval '5 seconds') THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(7027);
    PERFORM 1 FROM region
    WHERE region = p_region AND epoch = p_epoch AND state IN ('joining', 'rejoining') AND is_alive(region) FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM move_region(p_region, 'required', 'carnet');
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION promote_region(text, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION promote_region(text, bigint, bigint) TO carnet_engine;
