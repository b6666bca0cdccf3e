-- Many regions (DESIGN §3.5–3.7): how a region comes and goes, the life of its cache, who warms it; and the
-- receipts that say of every instance when it stopped honouring what was withdrawn.

ALTER TABLE region
    ADD state_changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD run_id           text,                  -- the Redis process that this epoch belongs to
    ADD life             text,                  -- a mark that lies in that Redis for as long as its contents do
    ADD epoch_at         timestamptz NOT NULL DEFAULT '-infinity',
    ADD sweeper          uuid,                  -- the instance that warms what is cold
    ADD sweeper_until    timestamptz NOT NULL DEFAULT '-infinity',
    ADD audited_at       timestamptz,           -- when the cache was last compared whole with this database
    ADD divergent        bigint,                -- entries that would have been served and were wrong
    ADD auditor          uuid,
    ADD auditor_until    timestamptz NOT NULL DEFAULT '-infinity';

ALTER TABLE instance ADD applied_at timestamptz NOT NULL DEFAULT clock_timestamp();

ALTER TABLE credential
    ADD changed_at       timestamptz NOT NULL DEFAULT clock_timestamp(),  -- when it got its present version
    ADD poisoned_version bigint,                -- of this version no program could read the record
    ADD receipt_seq      bigint;                -- the last change that withdrew something from it
CREATE INDEX credential_poisoned ON credential (credential) WHERE poisoned_version IS NOT NULL;

-- A rotation: the flip makes this one valid and the replaced one revoking, in one transaction.
ALTER TABLE client_secret ADD replaces text REFERENCES client_secret;
CREATE UNIQUE INDEX client_secret_one_rotation ON client_secret (replaces) WHERE status = 'pending';

-- What somebody was promised when they took something away. It fills up while instances hear of the change,
-- and is complete when nobody honours any more what was withdrawn.
CREATE TABLE receipt (
    id                      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    seq                     bigint NOT NULL UNIQUE,    -- the change that every instance has to apply
    tsg_id                  text NOT NULL REFERENCES tenant,
    requested_at            timestamptz NOT NULL,
    bound_at                timestamptz NOT NULL,      -- the latest possible moment, in this history
    effective_everywhere_at timestamptz,               -- the moment itself
    token_lifetime_seconds  integer NOT NULL           -- of the longest-lived token that it may have issued
);
CREATE INDEX receipt_open ON receipt (seq) WHERE effective_everywhere_at IS NULL;

CREATE TYPE mark_state AS ENUM (
    'waiting',    -- it may still answer from before the change
    'applied',    -- it has acknowledged the change
    'lapsed'      -- its lease is over, so it answers nothing before it has heard everything
);

CREATE TABLE receipt_mark (
    seq      bigint NOT NULL REFERENCES receipt (seq) ON DELETE CASCADE,
    tsg_id   text NOT NULL REFERENCES tenant,
    instance uuid NOT NULL,
    region   text NOT NULL,
    state    mark_state NOT NULL DEFAULT 'waiting',
    at       timestamptz,
    PRIMARY KEY (seq, instance)
);
CREATE INDEX receipt_mark_waiting ON receipt_mark (seq) WHERE state = 'waiting';

ALTER TABLE api_key ADD receipt_seq bigint;     -- the last withdrawal that concerned this key

-- For how long an instance may go without applying a change and still have its lease renewed. Longer than a
-- round trip, so that constant change costs nobody the lease; a part of what a revoke can take.
CREATE FUNCTION unheard_limit() RETURNS interval LANGUAGE sql IMMUTABLE AS $$ SELECT interval '400 ms' $$;

DROP FUNCTION append_changes(text[]);

-- Raises the versions of credentials and appends to the outbox; where something is withdrawn, opens a receipt.
-- It must be the last statement of its transaction: from the lock on, nothing else of this kind can commit,
-- so that a reader who sees seq n has seen, or can see, all below it. Rows of credential are only ever
-- updated under this lock, hence no deadlock between two of these.
CREATE FUNCTION append_changes(p_credentials text[], p_withdraws boolean DEFAULT false) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_head bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7027);
    -- Who may see one tenant only touches that one.
    IF current_setting('role') = 'carnet_tenant' THEN
        p_credentials := ARRAY(SELECT credential FROM credential
                               WHERE credential = ANY (p_credentials) AND tsg_id = current_tsg());
    END IF;
    WITH appended AS (
        INSERT INTO change (credential, version, kind)
        SELECT credential, version + 1, 'changed' FROM credential WHERE credential = ANY (p_credentials)
        RETURNING seq
    )
    SELECT max(seq) INTO v_head FROM appended;
    IF v_head IS NULL THEN
        RAISE EXCEPTION 'no such credential: %', p_credentials;
    END IF;
    -- One seq for the whole batch is enough: who has applied the last has applied all.
    UPDATE credential
    SET version = version + 1, changed_at = clock_timestamp(), seq = v_head,
        receipt_seq = CASE WHEN p_withdraws THEN v_head ELSE receipt_seq END
    WHERE credential = ANY (p_credentials);
    -- What this transaction revokes is revoked when everybody has applied this change, whatever
    -- changes after it. Rows that others hold are theirs to mark.
    UPDATE api_key
    SET revoking_seq = CASE WHEN status = 'revoking' THEN v_head ELSE revoking_seq END,
        receipt_seq = CASE WHEN p_withdraws THEN v_head ELSE receipt_seq END
    WHERE api_key_id IN (
        SELECT api_key_id FROM api_key
        WHERE credential = ANY (p_credentials)
          AND (status = 'revoking' AND revoking_seq IS NULL
               OR p_withdraws AND (status IN ('valid', 'inactive') OR status = 'revoked' AND receipt_seq IS NULL))
        FOR UPDATE SKIP LOCKED);
    UPDATE client_secret SET revoking_seq = v_head WHERE credential_id IN (
        SELECT credential_id FROM client_secret
        WHERE credential = ANY (p_credentials) AND status = 'revoking' AND revoking_seq IS NULL
        FOR UPDATE SKIP LOCKED);
    IF p_withdraws THEN
        PERFORM open_receipt(v_head, p_credentials);
    END IF;
    PERFORM pg_notify('carnet_change', '');
    RETURN v_head;
END $$;

-- A receipt for the change v_head, with a mark for everybody who may still answer from before it. The bound: a
-- renewal that is under way may come this late and carry the lease that far.
CREATE FUNCTION open_receipt(p_seq bigint, p_credentials text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO receipt (seq, tsg_id, requested_at, bound_at, token_lifetime_seconds)
    SELECT p_seq, (SELECT tsg_id FROM credential WHERE credential = p_credentials[1]), clock_timestamp(),
           greatest(clock_timestamp() + unheard_limit(), a.since) + a.longest_lease,
           greatest(900, (SELECT max(p.token_lifetime_seconds) FROM api_key k JOIN product p ON p.product = k.product
                          WHERE k.credential = ANY (p_credentials)))
    FROM (SELECT coalesce(max(since), '-infinity') AS since,
                 coalesce(max(longest_lease), interval '0') AS longest_lease FROM authority) a;
    INSERT INTO receipt_mark (seq, tsg_id, instance, region)
    SELECT r.seq, r.tsg_id, i.instance, i.region
    FROM receipt r JOIN instance i ON i.lease_until > r.requested_at
    WHERE r.seq = p_seq
$$;

-- The frontier: every instance that may still answer from a cache has applied all changes up to it. Before it is
-- told, what it proves is written: marks, receipts, and that what was revoking is revoked.
-- Not settled: the history changed less than one lease ago (or under us), so that leases which this
-- history does not know may be alive; nothing is proven before that time is over.
CREATE FUNCTION settle_receipts(OUT frontier bigint, OUT settled boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_last bigint;
BEGIN
    SELECT coalesce((SELECT min(applied) FROM instance WHERE lease_until > clock_timestamp()),
                    (SELECT max(seq) FROM change), 0),
           (a.system_identifier, a.timeline, a.incarnation) = (n.system_identifier, n.timeline, n.incarnation)
               AND a.since + a.longest_lease < clock_timestamp()
    INTO frontier, settled
    FROM authority a, authority_now() n;
    IF NOT EXISTS (SELECT 1 FROM receipt WHERE effective_everywhere_at IS NULL)
       AND NOT EXISTS (SELECT 1 FROM api_key WHERE status = 'revoking' AND revoking_seq <= frontier)
       AND NOT EXISTS (SELECT 1 FROM client_secret WHERE status = 'revoking' AND revoking_seq <= frontier) THEN
        RETURN;
    END IF;
    -- One at a time; who waited finds the rest done.
    PERFORM pg_advisory_xact_lock(7030);
    -- So many at once; the rest the next time.
    SELECT max(seq) INTO v_last
    FROM (SELECT seq FROM receipt WHERE effective_everywhere_at IS NULL ORDER BY seq LIMIT 200) oldest;
    -- Somebody who registered after the receipt was opened, from a reading before it; or got a lease again.
    INSERT INTO receipt_mark (seq, tsg_id, instance, region)
    SELECT r.seq, r.tsg_id, i.instance, i.region
    FROM receipt r JOIN instance i ON i.lease_until > clock_timestamp() AND i.applied < r.seq
    WHERE r.effective_everywhere_at IS NULL AND r.seq <= v_last
    ON CONFLICT (seq, instance) DO UPDATE SET state = 'waiting', at = NULL WHERE receipt_mark.state = 'lapsed';
    UPDATE receipt_mark m SET state = 'applied', at = greatest(i.applied_at, r.requested_at)
    FROM receipt r, instance i
    WHERE r.effective_everywhere_at IS NULL AND r.seq <= v_last AND m.seq = r.seq AND m.state = 'waiting'
      AND i.instance = m.instance AND i.applied >= m.seq;
    UPDATE receipt_mark m SET state = 'lapsed', at = greatest(least(i.lease_until, clock_timestamp()), r.requested_at)
    FROM receipt r, receipt_mark w LEFT JOIN instance i ON i.instance = w.instance
    WHERE r.effective_everywhere_at IS NULL AND r.seq <= v_last AND w.seq = r.seq AND w.state = 'waiting'
      AND m.seq = w.seq AND m.instance = w.instance
      AND (i.instance IS NULL OR i.lease_until <= clock_timestamp());
    IF NOT settled THEN
        RETURN;
    END IF;
    UPDATE receipt r SET effective_everywhere_at = clock_timestamp()
    WHERE effective_everywhere_at IS NULL AND seq <= least(frontier, v_last)
      AND NOT EXISTS (SELECT 1 FROM receipt_mark m WHERE m.seq = r.seq AND m.state = 'waiting');
    -- What is told is never more than what is written.
    frontier := least(frontier, (SELECT min(seq) - 1 FROM receipt WHERE effective_everywhere_at IS NULL));
    WITH keys AS (
        UPDATE api_key k SET status = 'revoked', status_changed_at = clock_timestamp()
        WHERE k.status = 'revoking' AND k.revoking_seq <= frontier
        RETURNING k.tsg_id, k.api_key_id::text AS id, 'api_key.revoked' AS action
    ), secrets AS (
        UPDATE client_secret s SET status = 'revoked'
        WHERE s.status = 'revoking' AND s.revoking_seq <= frontier
        RETURNING s.tsg_id, s.credential_id AS id, 'client_secret.revoked' AS action
    )
    INSERT INTO audit_event (tsg_id, actor, action, target)
    SELECT tsg_id, 'carnet', action, id FROM (SELECT * FROM keys UNION ALL SELECT * FROM secrets) finished;
END $$;

-- What is to be in every region's cache: the accounts that are there.
CREATE VIEW live_credential AS
SELECT c.credential, c.version, c.changed_at,
       c.poisoned_version IS NOT DISTINCT FROM c.version AS poisoned
FROM credential c
WHERE EXISTS (SELECT 1 FROM service_account a WHERE a.client_id = c.credential AND a.deleted_at IS NULL);

-- Its cache is another, or has lost what was in it: a new epoch, unless somebody has said so already. At most one
-- a second: whoever plays with a Redis must not keep this database busy.
CREATE FUNCTION raise_epoch(p_region text, p_epoch bigint, p_run_id text, p_life text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_epoch bigint;
BEGIN
    -- The order in which the flip takes its locks.
    PERFORM pg_advisory_xact_lock(7027);
    -- The time as well: after a restore, so that no number of the lost history comes again.
    UPDATE region SET epoch = greatest(epoch + 1, extract(epoch FROM clock_timestamp())::bigint), run_id = p_run_id, life = p_life, epoch_at = clock_timestamp()
    WHERE region = p_region AND epoch = p_epoch AND epoch_at < clock_timestamp() - interval '1 second'
      AND (run_id, life) IS DISTINCT FROM (p_run_id, p_life)
    RETURNING epoch INTO v_epoch;
    IF FOUND THEN
        PERFORM pg_notify('carnet_change', '');
    END IF;
    RETURN v_epoch;
END $$;

-- Moves one region to another state, with an audit event of the tenants at the root of everything.
CREATE FUNCTION move_region(p_region text, p_state region_state, p_actor text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_was region_state;
BEGIN
    SELECT state INTO v_was FROM region WHERE region = p_region;
    UPDATE region SET state = p_state, state_changed_at = clock_timestamp() WHERE region = p_region;
    INSERT INTO audit_event (tsg_id, actor, action, target, details)
    SELECT tsg_id, p_actor, 'region.' || p_state, p_region, jsonb_build_object('was', v_was)
    FROM tenant WHERE parent_tsg_id IS NULL;
    PERFORM pg_notify('carnet_change', '');
END $$;

CREATE FUNCTION is_alive(p_region text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM instance WHERE region = p_region AND lease_until > clock_timestamp())
$$;

-- Whether tend_regions should move this one. Stuck: another required region has acknowledged what this one has
-- not, for longer than p_quarantine, whatever the cause. (A record that nobody can read is nobody's fault.)
CREATE FUNCTION is_due(g region, p_quarantine interval) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE g.state
        WHEN 'quarantined' THEN is_alive(g.region)
        WHEN 'rejoining' THEN NOT is_alive(g.region)
        WHEN 'required' THEN NOT is_alive(g.region) OR EXISTS (
            SELECT 1 FROM credential c
            WHERE c.changed_at < clock_timestamp() - p_quarantine
              AND c.credential IN (SELECT credential FROM client_secret WHERE status = 'pending'
                                   UNION SELECT credential FROM api_key WHERE status = 'pending')
              AND NOT EXISTS (SELECT 1 FROM acknowledgement a
                              WHERE a.credential = c.credential AND a.region = g.region
                                AND a.version = c.version AND a.epoch = g.epoch)
              AND EXISTS (SELECT 1 FROM acknowledgement a JOIN region o ON o.region = a.region
                          WHERE a.credential = c.credential AND o.region <> g.region AND o.state = 'required'
                            AND a.version = c.version AND a.epoch = o.epoch))
        ELSE false END
$$;

-- Regions that are silent or stuck are waited for no longer; silent ones that are heard again begin to catch up. The
-- last required region stays required: without one, nothing would ever be valid.
CREATE FUNCTION tend_regions(p_quarantine interval) RETURNS TABLE (moved text, was text, became text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    r region%ROWTYPE;
    v_next region_state;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM region g WHERE is_due(g, p_quarantine)) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(7027);
    FOR r IN SELECT * FROM region ORDER BY region FOR UPDATE LOOP
        CONTINUE WHEN NOT is_due(r, p_quarantine);
        CONTINUE WHEN r.state = 'required'
            AND NOT EXISTS (SELECT 1 FROM region o WHERE o.state = 'required' AND o.region <> r.region);
        v_next := CASE WHEN r.state = 'quarantined' THEN 'rejoining' ELSE 'quarantined' END;
        PERFORM move_region(r.region, v_next, 'carnet');
        moved := r.region; was := r.state; became := v_next;
        RETURN NEXT;
    END LOOP;
END $$;

-- A region that has caught up is waited for from now on: it has read back, in this epoch, everything that has not
-- changed within the last seconds (what has is on its way, and each flip asks for it by itself).
CREATE FUNCTION promote_region(p_region text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM live_credential c
        JOIN region r ON r.region = p_region
        LEFT JOIN acknowledgement a ON a.credential = c.credential AND a.region = p_region
        WHERE NOT c.poisoned AND c.changed_at < clock_timestamp() - interval '5 seconds'
          AND (a.epoch, a.version) IS DISTINCT FROM (r.epoch, c.version)) THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(7027);
    PERFORM 1 FROM region WHERE region = p_region AND state IN ('joining', 'rejoining') AND is_alive(region) FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM move_region(p_region, 'required', 'carnet');
    RETURN true;
END $$;

-- Whether regions are this transaction's to move: those of tenants at the root, and of the owner of all this.
CREATE FUNCTION acts_at_root() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT current_setting('role') <> 'carnet_tenant'
        OR EXISTS (SELECT 1 FROM tenant WHERE tsg_id = current_tsg() AND parent_tsg_id IS NULL)
$$;

-- What an operator does with a region; the answer says what stood in the way: 'unknown', 'last_required',
-- 'alive', 'not_draining', or nothing.
CREATE FUNCTION drain_region(p_region text, p_actor text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_state region_state;
BEGIN
    IF NOT acts_at_root() THEN
        RETURN 'unknown';
    END IF;
    PERFORM pg_advisory_xact_lock(7027);
    SELECT state INTO v_state FROM region WHERE region = p_region FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    ELSIF v_state = 'required'
        AND NOT EXISTS (SELECT 1 FROM region WHERE state = 'required' AND region <> p_region) THEN
        RETURN 'last_required';
    ELSIF v_state <> 'draining' THEN
        PERFORM move_region(p_region, 'draining', p_actor);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION rejoin_region(p_region text, p_actor text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_state region_state;
BEGIN
    IF NOT acts_at_root() THEN
        RETURN 'unknown';
    END IF;
    PERFORM pg_advisory_xact_lock(7027);
    SELECT state INTO v_state FROM region WHERE region = p_region FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    ELSIF v_state <> 'draining' THEN
        RETURN 'not_draining';
    END IF;
    PERFORM move_region(p_region, 'rejoining', p_actor);
    RETURN NULL;
END $$;

CREATE FUNCTION remove_region(p_region text, p_actor text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_state region_state;
BEGIN
    IF NOT acts_at_root() THEN
        RETURN 'unknown';
    END IF;
    PERFORM pg_advisory_xact_lock(7027);
    SELECT state INTO v_state FROM region WHERE region = p_region FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    END IF;
    -- A renewal that is under way is waited for: its row must not go from under the lease that it gives.
    PERFORM 1 FROM instance WHERE region = p_region FOR UPDATE;
    IF is_alive(p_region) THEN
        RETURN 'alive';
    ELSIF v_state = 'required'
        AND NOT EXISTS (SELECT 1 FROM region WHERE state = 'required' AND region <> p_region) THEN
        RETURN 'last_required';
    END IF;
    INSERT INTO audit_event (tsg_id, actor, action, target, details)
    SELECT tsg_id, p_actor, 'region.remove', p_region, jsonb_build_object('was', v_state)
    FROM tenant WHERE parent_tsg_id IS NULL;
    -- An instance of it that comes back registers anew, and the region joins anew.
    DELETE FROM instance WHERE region = p_region AND lease_until <= clock_timestamp();
    DELETE FROM acknowledgement WHERE region = p_region;
    DELETE FROM region WHERE region = p_region;
    RETURN NULL;
END $$;

-- How every region is doing. Lag: of the live instance that is furthest behind.
CREATE VIEW region_shown AS
SELECT r.region, r.state::text AS state, r.state_changed_at, r.epoch, r.epoch_at, r.created_at,
       r.audited_at, r.divergent,
       w.total, w.warmed, w.poisoned, coalesce(i.instances, '[]') AS instances, i.lease_until,
       coalesce(i.lag_changes, 0) AS lag_changes, coalesce(i.lag_seconds, 0) AS lag_seconds,
       (SELECT count(*) FROM credential c
        WHERE c.credential IN (SELECT credential FROM client_secret WHERE status = 'pending'
                               UNION SELECT credential FROM api_key WHERE status = 'pending')
          AND NOT EXISTS (SELECT 1 FROM acknowledgement a
                          WHERE a.credential = c.credential AND a.region = r.region
                            AND a.version = c.version AND a.epoch = r.epoch)) AS awaited
FROM region r
CROSS JOIN LATERAL (
    SELECT count(*) AS total, count(*) FILTER (WHERE a.credential IS NOT NULL) AS warmed,
           count(*) FILTER (WHERE c.poisoned) AS poisoned
    FROM live_credential c LEFT JOIN acknowledgement a
        ON a.credential = c.credential AND a.region = r.region AND a.epoch = r.epoch AND a.version = c.version) w
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

-- A receipt as it is shown. While it is open the history may become another, and then leases of before count.
CREATE VIEW receipt_shown WITH (security_invoker = true) AS
SELECT r.id, r.seq, r.tsg_id, r.requested_at, r.effective_everywhere_at,
       CASE WHEN r.effective_everywhere_at IS NULL THEN greatest(r.bound_at, h.until, l.until)
            ELSE greatest(r.bound_at, r.effective_everywhere_at) END AS bound_at,
       coalesce(r.effective_everywhere_at, greatest(r.bound_at, h.until, l.until))
           + make_interval(secs => r.token_lifetime_seconds) AS last_token_expires_at,
       coalesce(m.regions, '[]') AS regions
FROM receipt r
CROSS JOIN LATERAL (SELECT max(since + longest_lease) AS until FROM authority) h
-- Had the commit taken long, leases may have been renewed until it was there to be heard of.
CROSS JOIN LATERAL (SELECT max(lease_until) AS until FROM instance WHERE applied < r.seq) l
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('region', g.region, 'instances', g.instances) ORDER BY g.region) AS regions
    FROM (SELECT region, jsonb_agg(jsonb_build_object('instance', instance, 'state', state, 'at', at)
                                   ORDER BY instance) AS instances
          FROM receipt_mark WHERE seq = r.seq GROUP BY region) g) m ON true;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['receipt', 'receipt_mark'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own ON %I FOR SELECT TO carnet_tenant USING (tsg_id = current_tsg())', t);
    END LOOP;
END $$;

GRANT SELECT ON receipt, receipt_mark, receipt_shown, authority, region, instance, region_shown TO carnet_tenant;
GRANT SELECT ON live_credential, region_shown TO carnet_engine;
GRANT UPDATE (poisoned_version) ON credential TO carnet_engine;

REVOKE ALL ON FUNCTION append_changes(text[], boolean), open_receipt(bigint, text[]), settle_receipts(),
    raise_epoch(text, bigint, text, text), move_region(text, region_state, text), tend_regions(interval),
    promote_region(text), drain_region(text, text), rejoin_region(text, text), remove_region(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_changes(text[], boolean), drain_region(text, text), rejoin_region(text, text),
    remove_region(text, text) TO carnet_tenant;
GRANT EXECUTE ON FUNCTION settle_receipts(), raise_epoch(text, bigint, text, text), tend_regions(interval),
    promote_region(text) TO carnet_engine;

INSERT INTO permission (permission, description) VALUES
    ('iam.region', 'Read, drain and remove the regions of the installation; for tenants at the root only');
INSERT INTO role_permission (role_id, permission) VALUES ('00000000-0000-7000-8000-000000000001', 'iam.region');
