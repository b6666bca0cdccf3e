-- Feed, lease, floor (DESIGN §3): how a change reaches every instance of every region, and how
-- the authority knows that it has.

CREATE TYPE region_state AS ENUM (
    'joining',    -- serves by read-through; a key need not wait for it yet
    'required'    -- no key is valid without its acknowledgement
);

CREATE TYPE change_kind AS ENUM (
    'changed',    -- the record has a new version
    'flipped'     -- same version: what was pending in it is valid now
);

-- Which history this database tells. Another cluster, timeline or incarnation of this very table
-- (a dump that was restored makes it anew), or a raised restore counter, means that instances and
-- caches may know of changes which this history does not have.
CREATE TABLE authority (
    one               boolean PRIMARY KEY DEFAULT true CHECK (one),
    system_identifier bigint NOT NULL,
    timeline          integer NOT NULL,
    incarnation       bigint NOT NULL,       -- the oid of this table
    restore_counter   integer NOT NULL DEFAULT 0,
    since             timestamptz NOT NULL,  -- no revoke is proven before since + the longest lease
    longest_lease     interval NOT NULL,     -- of all instances ever, with the drift margin
    master_check      text NOT NULL          -- tells an instance that its master keys are not these
);

CREATE TABLE region (
    region     text PRIMARY KEY CHECK (region ~ '^[a-z0-9-]{1,32}$'),
    state      region_state NOT NULL,
    epoch      bigint NOT NULL DEFAULT 1,    -- raised when its cache may have lost entries
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One process and its lease: until lease_until it may answer from memory and Redis, knowing
-- every change up to and including applied. lease_until contains the drift margin.
CREATE TABLE instance (
    instance    uuid PRIMARY KEY,
    region      text NOT NULL REFERENCES region,
    applied     bigint NOT NULL,
    low_water   bigint NOT NULL,             -- it remembers every change above this one
    lease_until timestamptz NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The outbox. seq order is commit order: see append_changes.
CREATE TABLE change (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    credential text NOT NULL,
    version    bigint NOT NULL,
    kind       change_kind NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- This region has read this version back from its own cache, in this epoch of it.
CREATE TABLE acknowledgement (
    credential text NOT NULL REFERENCES credential,
    region     text NOT NULL REFERENCES region,
    version    bigint NOT NULL,
    epoch      bigint NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (credential, region)
);

-- Raises the versions of credentials and appends to the outbox. It must be the last statement of
-- its transaction: from the lock on, nothing else of this kind can commit, so that a reader who
-- sees seq n has seen, or can see, all below it. Rows of credential are only ever updated
-- under this lock, hence no deadlock between two of these.
CREATE FUNCTION append_changes(p_credentials text[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_head bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7027);
    WITH raised AS (
        UPDATE credential SET version = version + 1
        WHERE credential = ANY (p_credentials)
          -- Who may see one tenant only touches that one.
          AND (current_setting('role') <> 'carnet_tenant' OR tsg_id = current_setting('carnet.tsg_id', true))
        RETURNING credential, version
    ), appended AS (
        INSERT INTO change (credential, version, kind)
        SELECT credential, version, 'changed' FROM raised
        RETURNING seq
    )
    SELECT max(seq) INTO v_head FROM appended;
    IF v_head IS NULL THEN
        RAISE EXCEPTION 'no such credential: %', p_credentials;
    END IF;
    -- One seq for the whole batch is enough: who has applied the last has applied all.
    UPDATE credential SET seq = v_head WHERE credential = ANY (p_credentials);
    -- What this transaction revokes is revoked when everybody has applied this change, whatever
    -- changes after it. Rows that others hold are theirs to mark.
    UPDATE api_key SET revoking_seq = v_head WHERE api_key_id IN (
        SELECT api_key_id FROM api_key
        WHERE credential = ANY (p_credentials) AND status = 'revoking' AND revoking_seq IS NULL
        FOR UPDATE SKIP LOCKED);
    UPDATE client_secret SET revoking_seq = v_head WHERE credential_id IN (
        SELECT credential_id FROM client_secret
        WHERE credential = ANY (p_credentials) AND status = 'revoking' AND revoking_seq IS NULL
        FOR UPDATE SKIP LOCKED);
    PERFORM pg_notify('carnet_change', '');
    RETURN v_head;
END $$;

-- Turns what is pending in these credentials valid, where every required region has acknowledged
-- the present version in its present epoch, and every live instance of those regions has applied
-- it (or it might still answer from a record in which the key does not exist). Rows that somebody
-- else is changing are left to the next round: waiting for them under the lock could deadlock.
CREATE FUNCTION flip_ready(p_credentials text[]) RETURNS TABLE (flipped text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_ready text[];
BEGIN
    PERFORM pg_advisory_xact_lock(7027);
    PERFORM 1 FROM region WHERE state = 'required' FOR SHARE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT coalesce(array_agg(c.credential), '{}') INTO v_ready
    FROM credential c
    WHERE c.credential = ANY (p_credentials)
      AND NOT EXISTS (
          SELECT 1 FROM region r
          WHERE r.state = 'required' AND NOT EXISTS (
              SELECT 1 FROM acknowledgement a
              WHERE a.credential = c.credential AND a.region = r.region
                AND a.version = c.version AND a.epoch = r.epoch))
      AND NOT EXISTS (
          SELECT 1 FROM instance i JOIN region r ON r.region = i.region
          WHERE r.state = 'required' AND i.lease_until > clock_timestamp() AND i.applied < c.seq);
    RETURN QUERY
    WITH secrets AS (
        UPDATE client_secret s SET status = 'valid'
        WHERE s.credential_id IN (
            SELECT p.credential_id FROM client_secret p
            WHERE p.credential = ANY (v_ready) AND p.status = 'pending'
            FOR UPDATE SKIP LOCKED)
        RETURNING s.tsg_id, s.credential, s.credential_id AS id, 'client_secret.valid' AS action
    ), keys AS (
        UPDATE api_key k SET status = 'valid', status_changed_at = clock_timestamp()
        WHERE k.api_key_id IN (
            SELECT p.api_key_id FROM api_key p
            WHERE p.credential = ANY (v_ready) AND p.status = 'pending'
            FOR UPDATE SKIP LOCKED)
        RETURNING k.tsg_id, k.credential, k.api_key_id::text AS id, 'api_key.valid' AS action
    ), flips AS (
        SELECT * FROM secrets UNION ALL SELECT * FROM keys
    ), audit AS (
        INSERT INTO audit_event (tsg_id, actor, action, target)
        SELECT tsg_id, 'carnet', action, id FROM flips
    ), appended AS (
        INSERT INTO change (credential, version, kind)
        SELECT c.credential, c.version, 'flipped' FROM credential c
        WHERE c.credential IN (SELECT credential FROM flips)
        RETURNING credential
    )
    SELECT credential FROM appended;
    IF FOUND THEN
        PERFORM pg_notify('carnet_change', '');
    END IF;
END $$;

-- The present history, for comparison with the authority row and with what an instance knows. It
-- fails on a standby, as it must: what a standby says is not what holds.
CREATE FUNCTION authority_now(
    OUT system_identifier bigint, OUT timeline integer, OUT incarnation bigint, OUT restore_counter integer)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_catalog, pg_temp AS $$
    SELECT (SELECT system_identifier FROM pg_control_system()),
           ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer,
           'authority'::regclass::oid::bigint,
           (SELECT restore_counter FROM authority)
$$;

-- The record that regions cache, one row per credential. Only what may still authenticate is in
-- it: what is revoking, revoked or inactive is absent, and absence is never answered from a cache.
CREATE VIEW credential_record AS
SELECT c.credential, c.version, jsonb_build_object(
    'credential', c.credential,
    'service_account_id', a.id,
    'tsg_id', a.tsg_id,
    'path', t.path,
    'enabled', a.enabled AND a.deleted_at IS NULL AND t.status = 'active',
    'secrets', coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'credential_id', s.credential_id,
            'status', s.status,
            'pepper', s.pepper,
            'hash', encode(s.hash, 'base64'),
            'expires_at', s.expires_at) ORDER BY s.credential_id)
        FROM client_secret s
        WHERE s.service_account_id = a.id AND s.status IN ('pending', 'valid')), '[]'),
    'keys', coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'api_key_id', k.api_key_id,
            'status', k.status,
            'product', k.product,
            'audience', p.audience,
            'algorithm', p.algorithm,
            'token_lifetime_seconds', p.token_lifetime_seconds,
            'expires_at', k.expires_at) ORDER BY k.api_key_id)
        FROM api_key k JOIN product p ON p.product = k.product
        WHERE k.credential = c.credential AND k.status IN ('pending', 'valid')), '[]'),
    'grants', coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'role', r.name,
            'tsg_id', g.target_tsg_id,
            'products', g.products) ORDER BY g.id)
        FROM access_policy g JOIN role r ON r.id = g.role_id
        WHERE g.principal = c.credential), '[]')
) AS record
FROM credential c
JOIN service_account a ON a.client_id = c.credential
JOIN tenant t ON t.tsg_id = a.tsg_id;
