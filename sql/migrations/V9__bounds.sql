-- What is asked again and again costs the same however much there is, and what nobody needs any more goes.

-- What waits to become valid.
CREATE VIEW pending_credential AS
SELECT credential FROM client_secret WHERE status = 'pending'
UNION
SELECT credential FROM api_key WHERE status = 'pending';

-- What counts of all acknowledgements: those of the present version in the present epoch.
CREATE VIEW warm_credential AS
SELECT a.credential, a.region, r.state, c.changed_at
FROM acknowledgement a
JOIN credential c ON c.credential = a.credential AND c.version = a.version
JOIN region r ON r.region = a.region AND r.epoch = a.epoch;
GRANT SELECT ON pending_credential, warm_credential TO carnet_engine;

-- As in V7.
CREATE OR REPLACE FUNCTION ready_to_flip(p_credentials text[]) RETURNS text[]
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(c.credential), '{}')
    FROM credential c
    WHERE c.credential = ANY (p_credentials)
      AND EXISTS (SELECT 1 FROM region WHERE state = 'required')
      AND NOT EXISTS (
          SELECT 1 FROM region r
          WHERE r.state = 'required' AND NOT EXISTS (
              SELECT 1 FROM warm_credential w WHERE w.credential = c.credential AND w.region = r.region))
      AND NOT EXISTS (
          SELECT 1 FROM instance i
          WHERE i.lease_until > clock_timestamp() AND i.applied < c.seq)
      AND EXISTS (
          SELECT 1 FROM authority a, authority_now() n
          WHERE (a.system_identifier, a.timeline, a.incarnation) = (n.system_identifier, n.timeline, n.incarnation)
            AND a.since + a.longest_lease < clock_timestamp())
$$;

-- As in V6.
CREATE OR REPLACE FUNCTION is_due(g region, p_quarantine interval) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE g.state
        WHEN 'quarantined' THEN is_alive(g.region)
        WHEN 'rejoining' THEN NOT is_alive(g.region)
        WHEN 'required' THEN NOT is_alive(g.region) OR EXISTS (
            SELECT 1 FROM pending_credential p
            JOIN warm_credential o ON o.credential = p.credential AND o.region <> g.region AND o.state = 'required'
            WHERE o.changed_at < clock_timestamp() - p_quarantine
              AND NOT EXISTS (SELECT 1 FROM warm_credential w
                              WHERE w.credential = p.credential AND w.region = g.region))
        ELSE false END
$$;

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

-- How far a region is: counted by whoever walks through it. total and warmed are of the last whole walk; in an epoch in
-- which there was none yet, warmed is how far the first one has come, and total no less than what was met.
ALTER TABLE region
    ADD counted_epoch bigint NOT NULL DEFAULT 0,  -- the epoch that warmed is of
    ADD warmed        bigint NOT NULL DEFAULT 0,
    ADD total         bigint NOT NULL DEFAULT 0;
UPDATE region SET total = (SELECT count(*) FROM live_credential);

-- How every region is doing. Lag: of the live instance that is furthest behind. While there are few credentials they are
-- counted when somebody looks; of many, what was counted last is shown.
CREATE OR REPLACE VIEW region_shown AS
SELECT r.region, r.state::text AS state, r.state_changed_at, r.epoch, r.epoch_at, r.created_at,
       r.audited_at, r.divergent,
       CASE WHEN few.are_few THEN w.total ELSE r.total END AS total,
       CASE WHEN few.are_few THEN w.warmed WHEN r.counted_epoch = r.epoch THEN least(r.warmed, r.total) ELSE 0 END AS warmed,
       (SELECT count(*) FROM live_credential c
        WHERE c.poisoned AND c.credential IN (SELECT credential FROM credential WHERE poisoned_version IS NOT NULL)) AS poisoned,
       coalesce(i.instances, '[]') AS instances, i.lease_until,
       coalesce(i.lag_changes, 0) AS lag_changes, coalesce(i.lag_seconds, 0) AS lag_seconds,
       (SELECT count(*) FROM pending_credential p
        WHERE NOT EXISTS (SELECT 1 FROM warm_credential w
                          WHERE w.credential = p.credential AND w.region = r.region)) AS awaited
FROM (SELECT count(*) <= 10000 AS are_few FROM (SELECT 1 FROM credential LIMIT 10001) part) few
CROSS JOIN region r
CROSS JOIN LATERAL (
    SELECT count(*) AS total, count(a.credential) AS warmed
    FROM live_credential c LEFT JOIN acknowledgement a
        ON a.credential = c.credential AND a.region = r.region AND a.epoch = r.epoch AND a.version = c.version
    WHERE few.are_few) w
CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('instance', i.instance, 'applied', i.applied, 'lease_until', i.lease_until,
                                        'started_at', i.started_at) ORDER BY i.started_at, i.instance) AS instances,
           max(i.lease_until) AS lease_until, max(behind.changes) AS lag_changes, max(behind.seconds) AS lag_seconds
    FROM instance i
    CROSS JOIN LATERAL (
        SELECT count(*) AS changes,
               coalesce(extract(epoch FROM clock_timestamp() - min(c.at)), 0)::float8 AS seconds
        FROM change c WHERE c.seq > i.applied) behind
    WHERE i.region = r.region AND i.lease_until > clock_timestamp()) i;

-- The epoch after this one: the time in microseconds, so that none comes again. Not those of a history that was lost, and not
-- those of the earlier life of a region that was removed; in seconds, which they were, one could come back too soon.
CREATE FUNCTION next_epoch(p_epoch bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT greatest(p_epoch + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
$$;

-- As in V6.
CREATE OR REPLACE FUNCTION raise_epoch(p_region text, p_epoch bigint, p_run_id text, p_life text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_epoch bigint;
BEGIN
    -- The order in which the flip takes its locks.
    PERFORM pg_advisory_xact_lock(7027);
    UPDATE region SET epoch = next_epoch(epoch), run_id = p_run_id, life = p_life, epoch_at = clock_timestamp()
    WHERE region = p_region AND epoch = p_epoch AND epoch_at < clock_timestamp() - interval '1 second'
      AND (run_id, life) IS DISTINCT FROM (p_run_id, p_life)
    RETURNING epoch INTO v_epoch;
    IF FOUND THEN
        PERFORM pg_notify('carnet_change', '');
    END IF;
    RETURN v_epoch;
END $$;

-- This is another history than the one written down (restored, promoted), or it was set back under an instance that knows
-- of changes beyond the head of this feed, or of a later restore: says so, once. What caches hold was sealed for the
-- other one, so everything is to be warmed anew. Whoever raises an epoch takes 7027 before he takes the regions, as the flip
-- does; as long as there is nothing to say, nobody waits for it.
CREATE FUNCTION note_other_history() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM authority a, authority_now() n
        WHERE (a.system_identifier, a.timeline, a.incarnation) <> (n.system_identifier, n.timeline, n.incarnation)) THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(7027);
    UPDATE authority a
    SET system_identifier = n.system_identifier, timeline = n.timeline, incarnation = n.incarnation,
        restore_counter = a.restore_counter + 1, since = clock_timestamp()
    FROM authority_now() n
    WHERE (a.system_identifier, a.timeline, a.incarnation) <> (n.system_identifier, n.timeline, n.incarnation);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM void_caches();
    RETURN true;
END $$;

CREATE FUNCTION note_went_back(p_applied bigint, p_counter integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7027);
    UPDATE authority SET restore_counter = greatest(restore_counter, p_counter) + 1, since = clock_timestamp()
    WHERE coalesce((SELECT max(seq) FROM change), 0) < p_applied OR restore_counter < p_counter;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM void_caches();
    RETURN true;
END $$;

-- The next epoch of every region; see raise_epoch. In order, and under 7027, which its caller has.
CREATE FUNCTION void_caches() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM region ORDER BY region FOR UPDATE;
    UPDATE region SET epoch = next_epoch(epoch);
END $$;
REVOKE ALL ON FUNCTION note_other_history(), note_went_back(bigint, integer), void_caches() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_other_history(), note_went_back(bigint, integer) TO carnet_engine;

-- Receipts that nobody asks for any more. The last one of a key, a secret or an account is kept for as long as that is in
-- sight; of the others those go that have been complete for p_kept. It looks at p_most receipts after change p_after, so that
-- those that are kept cost no more from time to time; the change to go on after, or nothing to begin anew.
CREATE INDEX api_key_receipt ON api_key (receipt_seq) WHERE receipt_seq IS NOT NULL;
CREATE INDEX client_secret_receipt ON client_secret (revoking_seq) WHERE revoking_seq IS NOT NULL;
CREATE INDEX credential_receipt ON credential (receipt_seq) WHERE receipt_seq IS NOT NULL;

CREATE FUNCTION prune_receipts(p_after bigint, p_most bigint, p_kept interval) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH part AS MATERIALIZED (
        SELECT seq, effective_everywhere_at < clock_timestamp() - p_kept AS old
        FROM receipt WHERE seq > p_after ORDER BY seq LIMIT p_most
    ), gone AS (
        DELETE FROM receipt r USING part p
        WHERE r.seq = p.seq AND p.old
          AND NOT EXISTS (SELECT 1 FROM api_key WHERE receipt_seq = p.seq)
          AND NOT EXISTS (SELECT 1 FROM client_secret WHERE revoking_seq = p.seq)
          AND NOT EXISTS (SELECT 1 FROM credential WHERE receipt_seq = p.seq)
    )
    -- They are in the order of time: where none is old, none is beyond.
    SELECT CASE WHEN count(*) = p_most AND bool_or(old) THEN max(seq) END FROM part
$$;
REVOKE ALL ON FUNCTION prune_receipts(bigint, bigint, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_receipts(bigint, bigint, interval) TO carnet_engine;

-- The receipt that append_changes has just opened for this change. Not by looking for it in the statement that called
-- that, which does not see what is written while it runs.
CREATE FUNCTION receipt_id_of(p_seq bigint) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT id FROM receipt WHERE seq = p_seq
$$;

-- Waits until nobody else appends, and keeps others waiting. Who appends for very many does this first, so that the
-- wait is not a part of the time that he has.
CREATE FUNCTION hold_feed() RETURNS void LANGUAGE sql VOLATILE AS $$ SELECT pg_advisory_xact_lock(7027) $$;

-- Every change is an update of its credential, all of a tenant's at once when that is suspended: with room left on each
-- page the indexes stay as they are (300,000 accounts in 4 s instead of 9). Pages that are there gain it when they are
-- rewritten.
ALTER TABLE credential SET (fillfactor = 50);
