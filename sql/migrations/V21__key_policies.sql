-- Key policies are data: which of the rules a product has stands in its row; that there are such rules is code. And keys that are
-- presented by themselves, each with a record of its own.

CREATE TYPE key_owner AS ENUM (
    'service_account',  -- one account and one key, bound to each other; goes with the account
    'tenant',           -- the organisation; goes with it
    'role'              -- a role, which says what the key may do; goes with the role
);

CREATE TYPE security_level AS ENUM (
    'standard',         -- the secret itself is sent
    'advanced'          -- a hash of secret, nonce and time is sent, each good once
);

ALTER TABLE product
    ADD key_owner             key_owner NOT NULL DEFAULT 'service_account',
    ADD most_active_per_role  integer CHECK (most_active_per_role BETWEEN 1 AND 100),  -- none: no limit
    ADD first_key_with_license boolean NOT NULL DEFAULT false,
    ADD requires_api_access   boolean NOT NULL DEFAULT false,  -- who makes a key has been given access to the API
    ADD requires_held_role    boolean NOT NULL DEFAULT false,  -- … and holds the key's role
    ADD requires_name         boolean NOT NULL DEFAULT false,
    ADD name_is_unique        boolean NOT NULL DEFAULT false,  -- among those that count as active
    ADD may_expire            boolean NOT NULL DEFAULT false,  -- at a time that its maker says
    ADD expiry_default_months integer NOT NULL DEFAULT 1 CHECK (expiry_default_months BETWEEN 1 AND 120),
    ADD may_be_extended       boolean NOT NULL DEFAULT false,
    ADD may_be_inactive       boolean NOT NULL DEFAULT false,
    ADD may_be_regenerated    boolean NOT NULL DEFAULT false,  -- without being deleted first
    ADD security_levels       security_level[] NOT NULL DEFAULT '{}',
    ADD takes_access_scope    boolean NOT NULL DEFAULT false,
    ADD created_at            timestamptz NOT NULL DEFAULT now(),
    ADD CONSTRAINT product_owner_fits CHECK ((key_owner = 'service_account') = (key_style = 'bound_service_account')),
    ADD CONSTRAINT product_role_fits CHECK (
        key_owner = 'role' OR most_active_per_role IS NULL AND NOT requires_held_role),
    ADD CONSTRAINT product_account_fits CHECK (
        key_owner = 'service_account' OR NOT requires_all_apps AND required_permissions = '{}'),
    ADD CONSTRAINT product_first_key_fits CHECK (
        NOT first_key_with_license OR key_owner = 'tenant' AND key_style = 'opaque' AND NOT requires_name),
    ADD CONSTRAINT product_levels_fit CHECK ((key_style = 'signed') = (cardinality(security_levels) > 0)),
    ADD CONSTRAINT product_expiry_fits CHECK (NOT (may_expire AND expires_with_license) AND (may_expire OR NOT may_be_extended)),
    ADD CONSTRAINT product_bound_fits CHECK (
        key_style <> 'bound_service_account' OR NOT may_be_regenerated AND NOT may_be_inactive);
ALTER TABLE product ALTER key_owner DROP DEFAULT;

INSERT INTO permission (permission, description) VALUES
    ('iam.product', 'Make and change products and their key policies; for tenants at the root only'),
    ('iam.api_access', 'Make keys of products that ask for access to the API');
INSERT INTO role_permission (role_id, permission) VALUES
    ('00000000-0000-7000-8000-000000000001', 'iam.product'),
    ('00000000-0000-7000-8000-000000000001', 'iam.api_access');

INSERT INTO product (product, title, audience, key_style, key_owner, one_active_per_tenant, requires_all_apps,
                     required_permissions, expires_with_license, most_active_per_role, first_key_with_license,
                     requires_api_access, requires_held_role, requires_name, name_is_unique, may_expire,
                     may_be_extended, may_be_inactive, may_be_regenerated, security_levels, takes_access_scope) VALUES
    ('prisma_capacity', 'PRISMA Capacity', 'urn:carnet:product:prisma_capacity', 'opaque', 'tenant', true, false,
     '{}', false, NULL, true, false, false, false, false, false, false, false, true, '{}', false),
    ('prisma_cloud', 'Prisma Cloud', 'urn:carnet:product:prisma_cloud', 'access_key', 'role', false, false,
     '{}', false, 2, false, true, true, true, true, true, true, true, false, '{}', false),
    ('cortex_cloud', 'Cortex Cloud', 'urn:carnet:product:cortex_cloud', 'signed', 'role', false, false,
     '{}', false, NULL, false, false, false, false, false, true, false, false, false, '{standard,advanced}', true);

-- Products are everybody's to read, and those of tenants at the root to make.
ALTER TABLE product ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON product FOR SELECT TO carnet_tenant, carnet_engine USING (true);
CREATE POLICY root ON product FOR INSERT TO carnet_tenant WITH CHECK (acts_at_root());
CREATE POLICY root_changes ON product FOR UPDATE TO carnet_tenant USING (acts_at_root()) WITH CHECK (acts_at_root());
ALTER TABLE product ADD revision integer NOT NULL DEFAULT 1;
GRANT INSERT ON product TO carnet_tenant;
GRANT UPDATE (title, token_lifetime_seconds, revision) ON product TO carnet_tenant;

-- Products as they are shown: the rules of their keys in one place.
CREATE VIEW product_shown WITH (security_invoker = true) AS
SELECT product, title, audience, algorithm::text AS algorithm, token_lifetime_seconds, key_style::text AS key_style,
       jsonb_build_object(
           'owner', key_owner,
           'one_active_per_tenant', one_active_per_tenant,
           'most_active_per_role', most_active_per_role,
           'first_key_with_license', first_key_with_license,
           'requires_all_apps', requires_all_apps,
           'required_permissions', required_permissions,
           'requires_api_access', requires_api_access,
           'requires_held_role', requires_held_role,
           'requires_name', requires_name,
           'name_is_unique', name_is_unique,
           'expires_with_license', expires_with_license,
           'may_expire', may_expire,
           'expiry_default_months', expiry_default_months,
           'may_be_extended', may_be_extended,
           'may_be_inactive', may_be_inactive,
           'may_be_regenerated', may_be_regenerated,
           'security_levels', security_levels,
           'takes_access_scope', takes_access_scope) AS key_policy,
       revision
FROM product;
GRANT SELECT ON product_shown TO carnet_tenant;

-- Of a role's keys that are presented one after the other: one where the role says so.
ALTER TABLE role ADD one_access_key boolean NOT NULL DEFAULT false;

ALTER TABLE api_key
    ADD role_id          uuid REFERENCES role,
    ADD security_level   security_level,
    ADD pepper           text,                     -- the id of the master key whose pepper made the hash
    ADD hash             bytea CHECK (octet_length(hash) = 32),
    ADD sealed           bytea,                    -- the secret of an advanced key, under a master key, bound to its number
    ADD access_scope     jsonb,
    ADD name_is_unique   boolean NOT NULL DEFAULT false,
    ADD asked_expires_at timestamptz,              -- expires_at, but for its license
    ADD replaces         bigint REFERENCES api_key,
    ADD overlap_seconds  integer NOT NULL DEFAULT 0 CHECK (overlap_seconds BETWEEN 0 AND 2592000),
    ADD CONSTRAINT api_key_has_one_proof CHECK (num_nonnulls(hash, sealed) <= 1 AND (hash IS NULL) = (pepper IS NULL));
UPDATE api_key SET asked_expires_at = expires_at;
CREATE INDEX api_key_role ON api_key (role_id) WHERE role_id IS NOT NULL;
CREATE INDEX api_key_unmigrated ON api_key (tsg_id, product) WHERE status = 'unmigrated';
CREATE UNIQUE INDEX api_key_one_successor ON api_key (replaces) WHERE status = 'pending' AND replaces IS NOT NULL;
CREATE UNIQUE INDEX api_key_name_once ON api_key (tsg_id, product, name) WHERE name_is_unique AND slot IS NOT NULL;

-- Whoever is to take a key's place takes its slot when that gives it up, so that nobody comes between.
CREATE FUNCTION pass_slot() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE api_key SET slot = OLD.slot
    WHERE replaces = OLD.api_key_id AND slot IS NULL AND status IN ('pending', 'valid');
    RETURN NULL;
END $$;
CREATE TRIGGER api_key_slot_is_passed AFTER UPDATE OF slot ON api_key
    FOR EACH ROW WHEN (OLD.slot IS NOT NULL AND NEW.slot IS NULL) EXECUTE FUNCTION pass_slot();

-- When keys that are presented by themselves were last used: see credential_use, which has it of accounts.
CREATE TABLE api_key_use (
    api_key_id        bigint PRIMARY KEY REFERENCES api_key,
    tsg_id            text NOT NULL REFERENCES tenant,
    last_used_at      timestamptz NOT NULL,
    last_used_address inet
);
ALTER TABLE api_key_use ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON api_key_use TO carnet_tenant USING (tsg_id = current_tsg()) WITH CHECK (tsg_id = current_tsg());
GRANT SELECT ON api_key_use TO carnet_tenant;

-- The public id inside a key's secret: its number in sixteen digits.
CREATE FUNCTION key_secret_id(p_api_key_id bigint) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN lpad(p_api_key_id::text, 16, '0');

-- The record of a key that is presented by itself. Of one that is not to be served nothing but its name is left.
CREATE VIEW api_key_record AS
SELECT c.credential, c.version, jsonb_build_object(
    'credential', c.credential,
    'tsg_id', k.tsg_id,
    'path', t.path,
    'enabled', t.status = 'active',
    'secrets', CASE WHEN k.hash IS NULL OR k.status NOT IN ('pending', 'valid') THEN '[]'
        ELSE jsonb_build_array(jsonb_build_object(
            'credential_id', key_secret_id(k.api_key_id),
            'status', k.status,
            'pepper', k.pepper,
            'hash', encode(k.hash, 'base64'),
            'expires_at', k.expires_at)) END,
    'keys', CASE WHEN k.status NOT IN ('pending', 'valid') THEN '[]'
        ELSE jsonb_build_array(jsonb_build_object(
            'api_key_id', k.api_key_id,
            'status', k.status,
            'product', k.product,
            'audience', p.audience,
            'algorithm', p.algorithm,
            'token_lifetime_seconds', p.token_lifetime_seconds,
            'expires_at', k.expires_at)
            || CASE WHEN k.sealed IS NULL THEN '{}' ELSE jsonb_build_object('sealed', encode(k.sealed, 'base64')) END) END,
    'grants', CASE WHEN k.role_id IS NULL OR k.status NOT IN ('pending', 'valid') THEN '[]'
        ELSE (SELECT jsonb_build_array(jsonb_build_object(
            'role', r.name, 'tsg_id', k.tsg_id, 'products', ARRAY[k.product])) FROM role r WHERE r.id = k.role_id) END
) || coalesce((
    SELECT jsonb_build_object('revoked_tokens', jsonb_agg(rt.token ORDER BY rt.token))
    FROM revoked_token rt
    WHERE rt.credential = c.credential
    HAVING count(*) > 0), '{}'
) || coalesce((
    SELECT jsonb_build_object('statuses', jsonb_agg(jsonb_build_object(
        'credential_id', ts.credential_id,
        'api_key_id', ts.api_key_id,
        'list', ts.list,
        'idx', ts.idx) ORDER BY ts.list, ts.idx))
    FROM token_status ts
    WHERE ts.credential = c.credential AND ts.gone_at IS NULL
    HAVING count(*) > 0), '{}') AS record
FROM credential c
JOIN api_key k ON k.credential = c.credential AND k.service_account_id IS NULL
JOIN product p ON p.product = k.product
JOIN tenant t ON t.tsg_id = k.tsg_id;

CREATE OR REPLACE VIEW credential_record AS
SELECT credential, version, record FROM service_account_record
UNION ALL
SELECT credential, version, record FROM api_key_record;

-- What is to be in every region's cache: credentials that are live. Each change says so of those that it is about.
ALTER TABLE credential ADD live boolean NOT NULL DEFAULT true;
DO $$
BEGIN
    PERFORM pg_advisory_xact_lock(7027);
    UPDATE credential c SET live = false
    FROM service_account a WHERE a.client_id = c.credential AND a.deleted_at IS NOT NULL;
END $$;
CREATE OR REPLACE VIEW live_credential AS
SELECT c.credential, c.version, c.changed_at,
       c.poisoned_version IS NOT DISTINCT FROM c.version AS poisoned, c.credential AS client_id
FROM credential c WHERE c.live;
DROP INDEX service_account_live;

CREATE FUNCTION is_live(p_credential text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM service_account WHERE client_id = p_credential AND deleted_at IS NULL)
        OR EXISTS (SELECT 1 FROM api_key WHERE credential = p_credential AND service_account_id IS NULL
                   AND status IN ('unmigrated', 'pending', 'valid'))
$$;

-- As in V13, but for who has no tokens: a key that is not exchanged for one.
CREATE FUNCTION has_tokens(p_credential text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (
        SELECT 1 FROM api_key k JOIN product p ON p.product = k.product
        WHERE k.credential = p_credential AND k.service_account_id IS NULL AND p.key_style <> 'access_key')
$$;
CREATE OR REPLACE FUNCTION note_token_statuses(p_credentials text[]) RETURNS void LANGUAGE plpgsql SET jit = off AS $$
DECLARE
    p record;
    n record;
    v_credential text;
    v_record jsonb;
    v_ids text[];
    v_keys bigint[];
BEGIN
    FOREACH v_credential IN ARRAY p_credentials LOOP
        SELECT (record - '{statuses,revoked_tokens}'::text[]) #- '{trust,issuers}' INTO v_record FROM credential_record WHERE credential = v_credential;
        CONTINUE WHEN NOT FOUND OR NOT has_tokens(v_credential);
        v_ids := ARRAY(SELECT DISTINCT jsonb_array_elements_text(jsonb_path_query_array(v_record, '$.**.credential_id')));
        v_keys := ARRAY(SELECT (key ->> 'api_key_id')::bigint FROM jsonb_array_elements(v_record -> 'keys') AS key);
        UPDATE token_status s SET gone_at = CASE WHEN s.gone_at IS NULL THEN clock_timestamp() END
        WHERE s.credential = v_credential
          AND (s.gone_at IS NULL) <> (s.credential_id = ANY (v_ids) AND (s.api_key_id IS NULL OR s.api_key_id = ANY (v_keys)));
        FOR p IN
            SELECT id, key FROM unnest(v_ids) AS id CROSS JOIN unnest(v_keys || NULL::bigint) AS key
            WHERE NOT EXISTS (SELECT 1 FROM token_status s WHERE s.credential = v_credential AND s.credential_id = id
                              AND s.api_key_id IS NOT DISTINCT FROM key)
            ORDER BY id, key
        LOOP
            IF EXISTS (SELECT 1 FROM instance WHERE lease_until > clock_timestamp() AND NOT reads_statuses) THEN
                EXIT;
            END IF;
            SELECT * INTO n FROM next_token_status();
            INSERT INTO token_status (list, idx, credential, credential_id, api_key_id)
            VALUES (n.list, n.idx, v_credential, p.id, p.key);
        END LOOP;
    END LOOP;
END $$;

-- As in V13, and whether they are live.
CREATE OR REPLACE FUNCTION append_changes(p_credentials text[], p_withdraws boolean DEFAULT false, p_pairs boolean DEFAULT true) RETURNS bigint
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
    IF p_pairs THEN
        PERFORM note_token_statuses(p_credentials);
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
        receipt_seq = CASE WHEN p_withdraws THEN v_head ELSE receipt_seq END,
        live = CASE WHEN p_pairs THEN is_live(credential) ELSE live END
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

-- As in V13, but for everything of the tenant that may be served.
CREATE OR REPLACE FUNCTION append_tenant_changes(p_withdraws boolean) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_credentials text[];
BEGIN
    PERFORM pg_advisory_xact_lock(7027);
    SELECT array_agg(credential) INTO v_credentials FROM credential WHERE tsg_id = current_tsg() AND live;
    IF v_credentials IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN append_changes(v_credentials, p_withdraws, false);
END $$;

-- As in V13, and of keys that are presented by themselves.
CREATE OR REPLACE FUNCTION read_status_list(p_list bigint, OUT given integer, OUT good integer[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN is_filled_now(l) THEN l.next_idx ELSE status_list_size() END,
           array(SELECT s.idx
                 FROM token_status s
                 JOIN credential c ON c.credential = s.credential
                 JOIN tenant t ON t.tsg_id = c.tsg_id
                 LEFT JOIN service_account a ON a.client_id = s.credential
                 LEFT JOIN api_key k ON k.api_key_id = s.api_key_id
                 WHERE s.list = l.list AND s.gone_at IS NULL
                   AND coalesce(a.enabled AND a.deleted_at IS NULL, true) AND t.status = 'active'
                   AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp()))
    FROM status_list l WHERE l.list = p_list
$$;

-- As in V7, and for keys that take another one's place, as secrets do.
CREATE OR REPLACE FUNCTION flip_ready(p_credentials text[]) RETURNS TABLE (flipped text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_ready text[];
    v_replaced text[];
    v_replaced_keys bigint[];
    v_flipped text[];
    v_rotated text;
BEGIN
    -- Asked for many times a second while something waits: where nothing is ready, nothing is locked or written.
    IF cardinality(ready_to_flip(p_credentials)) = 0 THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(7027);
    PERFORM 1 FROM region WHERE state = 'required' FOR SHARE;
    v_ready := ready_to_flip(p_credentials);
    SELECT coalesce(array_agg(held.credential_id), '{}') INTO v_replaced
    FROM (SELECT o.credential_id FROM client_secret o
          WHERE o.credential_id IN (SELECT p.replaces FROM client_secret p
                                    WHERE p.credential = ANY (v_ready) AND p.status = 'pending')
          FOR UPDATE SKIP LOCKED) held;
    SELECT coalesce(array_agg(held.api_key_id), '{}') INTO v_replaced_keys
    FROM (SELECT o.api_key_id FROM api_key o
          WHERE o.api_key_id IN (SELECT p.replaces FROM api_key p
                                 WHERE p.credential = ANY (v_ready) AND p.status = 'pending')
          FOR UPDATE SKIP LOCKED) held;
    WITH secrets AS (
        UPDATE client_secret s SET status = 'valid'
        WHERE s.credential_id IN (
            SELECT p.credential_id FROM client_secret p
            WHERE p.credential = ANY (v_ready) AND p.status = 'pending'
              AND (p.replaces IS NULL OR p.replaces = ANY (v_replaced))
            FOR UPDATE SKIP LOCKED)
        RETURNING s.tsg_id, s.credential, s.credential_id AS id, 'client_secret.valid' AS action
    ), keys AS (
        UPDATE api_key k SET status = 'valid', status_changed_at = clock_timestamp()
        WHERE k.api_key_id IN (
            SELECT p.api_key_id FROM api_key p
            WHERE p.credential = ANY (v_ready) AND p.status = 'pending'
              AND (p.replaces IS NULL OR p.replaces = ANY (v_replaced_keys))
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
    SELECT coalesce(array_agg(credential), '{}') INTO v_flipped FROM appended;
    -- The other half of a rotation, which takes something away: another version, and a receipt. A new secret
    -- whose time was over before every region had it takes nobody's place. A key that is to work for a while beside
    -- its successor ends when that while is over.
    FOR v_rotated IN
        WITH replaced AS (
            UPDATE client_secret o SET status = 'revoking'
            FROM client_secret n
            WHERE n.credential = ANY (v_flipped) AND n.status = 'valid' AND n.replaces = o.credential_id
              AND (n.expires_at IS NULL OR n.expires_at > clock_timestamp())
              AND o.credential_id = ANY (v_replaced) AND o.status = 'valid'
            RETURNING o.tsg_id, o.credential, o.credential_id
        ), succeeded AS (
            UPDATE api_key o
            SET status = (CASE WHEN n.overlap_seconds > 0 THEN o.status::text
                               WHEN o.status = 'inactive' THEN 'revoked' ELSE 'revoking' END)::key_status,
                slot = NULL, revision = o.revision + 1,
                expires_at = CASE WHEN n.overlap_seconds > 0
                    THEN least(o.expires_at, clock_timestamp() + make_interval(secs => n.overlap_seconds)) ELSE o.expires_at END,
                shortened_at = CASE WHEN n.overlap_seconds > 0 THEN clock_timestamp() ELSE o.shortened_at END,
                status_changed_at = CASE WHEN n.overlap_seconds > 0 THEN o.status_changed_at ELSE clock_timestamp() END,
                revoked_at = CASE WHEN n.overlap_seconds > 0 THEN o.revoked_at ELSE clock_timestamp() END,
                revoked_by = CASE WHEN n.overlap_seconds > 0 THEN o.revoked_by ELSE n.created_by END,
                revoke_reason = CASE WHEN n.overlap_seconds > 0 THEN o.revoke_reason ELSE 'regenerated' END
            FROM api_key n
            WHERE n.credential = ANY (v_flipped) AND n.status = 'valid' AND n.replaces = o.api_key_id
              AND (n.expires_at IS NULL OR n.expires_at > clock_timestamp())
              AND o.api_key_id = ANY (v_replaced_keys) AND o.status IN ('valid', 'inactive')
              AND (o.expires_at IS NULL OR o.expires_at > clock_timestamp())
            RETURNING o.tsg_id, o.credential, o.api_key_id
        ), audit AS (
            INSERT INTO audit_event (tsg_id, actor, action, target)
            SELECT tsg_id, 'carnet', 'client_secret.replaced', credential_id FROM replaced
            UNION ALL
            SELECT tsg_id, 'carnet', 'api_key.replaced', api_key_id::text FROM succeeded
        )
        SELECT DISTINCT credential FROM replaced UNION SELECT DISTINCT credential FROM succeeded
    LOOP
        PERFORM append_changes(ARRAY[v_rotated], true);
    END LOOP;
    IF cardinality(v_flipped) > 0 THEN
        PERFORM pg_notify('carnet_change', '');
    END IF;
    RETURN QUERY SELECT unnest(v_flipped);
END $$;

-- As in V14, and of keys that are presented by themselves: those have no account, and are known by the number in their secrets.
CREATE OR REPLACE FUNCTION record_usage(
    p_instance uuid, p_number bigint,
    p_accounts uuid[], p_credential_ids text[], p_used_at timestamptz[], p_addresses inet[],
    p_tenants text[], p_days date[], p_tokens bigint[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO usage_batch AS b (instance, number) VALUES (p_instance, p_number)
    ON CONFLICT (instance) DO UPDATE SET number = excluded.number, at = now() WHERE b.number < excluded.number;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO credential_use AS u (service_account_id, credential_id, tsg_id, last_used_at, last_used_address)
    SELECT a.id, n.credential_id, a.tsg_id, n.used_at, n.address
    FROM unnest(p_accounts, p_credential_ids, p_used_at, p_addresses) AS n (account, credential_id, used_at, address)
    JOIN service_account a ON a.id = n.account
    ORDER BY 1, 2
    ON CONFLICT (service_account_id, credential_id) DO UPDATE
    SET last_used_at = excluded.last_used_at, last_used_address = excluded.last_used_address
    WHERE u.last_used_at < excluded.last_used_at;
    INSERT INTO api_key_use AS u (api_key_id, tsg_id, last_used_at, last_used_address)
    SELECT k.api_key_id, k.tsg_id, n.used_at, n.address
    FROM unnest(p_accounts, p_credential_ids, p_used_at, p_addresses) AS n (account, credential_id, used_at, address)
    JOIN api_key k ON n.account IS NULL AND n.credential_id ~ '^[0-9]{16}$'
                  AND k.api_key_id = CASE WHEN n.credential_id ~ '^[0-9]{16}$' THEN n.credential_id::bigint END
    ORDER BY 1
    ON CONFLICT (api_key_id) DO UPDATE
    SET last_used_at = excluded.last_used_at, last_used_address = excluded.last_used_address
    WHERE u.last_used_at < excluded.last_used_at;
    INSERT INTO token_count AS c (tsg_id, day, tokens)
    SELECT t.tsg_id, n.day, n.tokens
    FROM unnest(p_tenants, p_days, p_tokens) AS n (tsg_id, day, tokens)
    JOIN tenant t ON t.tsg_id = n.tsg_id
    ORDER BY 1, 2
    ON CONFLICT (tsg_id, day) DO UPDATE SET tokens = c.tokens + excluded.tokens;
    RETURN true;
END $$;

-- As in V7, with what the other styles have. When a bound key was last used is when its account was.
CREATE OR REPLACE VIEW api_key_shown WITH (security_invoker = true) AS
SELECT k.api_key_id, k.tsg_id, k.product, k.name,
       CASE WHEN k.status IN ('valid', 'inactive') AND k.expires_at <= now() THEN 'expired'
            ELSE k.status::text END AS status,
       k.service_account_id, k.credential, k.comment, k.expires_at, k.created_at, k.created_by,
       k.status_changed_at, k.revoked_at, k.revoke_reason,
       judged AND grants = 0 AS without_grant, judged AND grants > 0 AND roles = 0 AS without_role,
       k.revision, k.role_id, (SELECT r.name FROM role r WHERE r.id = k.role_id) AS role,
       to_jsonb(k.security_level) AS security_level, k.access_scope, k.replaces, p.key_style::text AS key_style,
       used.last_used_at, used.last_used_address
FROM api_key k JOIN product p ON p.product = k.product
CROSS JOIN LATERAL (
    SELECT k.status IN ('pending', 'valid', 'inactive') AND p.requires_all_apps AS judged,
           count(*) AS grants, count(g.role_id) AS roles
    FROM access_policy g
    WHERE g.tsg_id = k.tsg_id AND g.principal = k.credential AND g.products IS NULL
      AND g.target_tsg_id = ANY (tenant_path(k.tsg_id))) held
LEFT JOIN LATERAL (
    SELECT u.last_used_at, u.last_used_address FROM api_key_use u WHERE u.api_key_id = k.api_key_id
    UNION ALL
    (SELECT u.last_used_at, u.last_used_address FROM credential_use u
     WHERE u.service_account_id = k.service_account_id ORDER BY u.last_used_at DESC LIMIT 1)) used ON true;

-- As in V10, and for the secrets of keys.
CREATE INDEX api_key_pepper ON api_key (pepper) WHERE status IN ('pending', 'valid') AND pepper IS NOT NULL;
CREATE OR REPLACE VIEW master_key_shown AS
SELECT m.id, coalesce(k.keys, 0) AS signing_keys, coalesce(s.secrets, 0)::bigint AS client_secrets
FROM master_key m
LEFT JOIN (SELECT sealed_under(sealed) AS id, count(*) AS keys FROM signing_key GROUP BY 1) k ON k.id = m.id
LEFT JOIN (
    SELECT held.id, count(*) AS secrets FROM (
        SELECT pepper AS id FROM client_secret
        WHERE status IN ('pending', 'valid') AND (expires_at IS NULL OR expires_at > clock_timestamp())
        UNION ALL
        SELECT coalesce(pepper, sealed_under(sealed)) FROM api_key
        WHERE (pepper IS NOT NULL OR sealed IS NOT NULL) AND status IN ('pending', 'valid', 'inactive')
          AND (expires_at IS NULL OR expires_at > clock_timestamp())) held
    GROUP BY held.id) s ON s.id = m.id;

CREATE OR REPLACE FUNCTION rehash_client_secrets(p_ids text[], p_hashes bytea[], p_pepper text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_credentials text[];
    v_count bigint;
BEGIN
    IF NOT is_everybodys_master(p_pepper) THEN
        RETURN 0;
    END IF;
    WITH secrets AS (
        UPDATE client_secret s SET pepper = p_pepper, hash = g.hash
        FROM unnest(p_ids, p_hashes) g(id, hash)
        WHERE s.credential_id = g.id AND s.pepper <> p_pepper AND s.status IN ('pending', 'valid')
        RETURNING s.credential
    ), keys AS (
        UPDATE api_key k SET pepper = p_pepper, hash = g.hash
        FROM unnest(p_ids, p_hashes) g(id, hash)
        WHERE g.id ~ '^[0-9]{16}$' AND k.api_key_id = CASE WHEN g.id ~ '^[0-9]{16}$' THEN g.id::bigint END
          AND k.service_account_id IS NULL AND k.pepper <> p_pepper AND k.status IN ('pending', 'valid')
        RETURNING k.credential
    ), done AS (
        SELECT * FROM secrets UNION ALL SELECT * FROM keys
    )
    SELECT array_agg(DISTINCT credential), count(*) INTO v_credentials, v_count FROM done;
    IF v_count > 0 THEN
        PERFORM append_changes(v_credentials);
    END IF;
    RETURN v_count;
END $$;

-- Whether a principal holds this very role in a tenant, for a product or for all.
CREATE FUNCTION caller_holds_role(p_client_id text, p_token_tsg text, p_tsg_id text, p_role uuid, p_product text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT 1 FROM access_policy g JOIN tenant t ON t.tsg_id = p_tsg_id
        WHERE g.principal = p_client_id AND g.role_id = p_role AND p_token_tsg = ANY (t.path)
          AND g.target_tsg_id = ANY (t.path) AND (g.products IS NULL OR p_product = ANY (g.products)))
$$;
REVOKE ALL ON FUNCTION caller_holds_role(text, text, text, uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION caller_holds_role(text, text, text, uuid, text) TO carnet_tenant;
