-- Clients that prove themselves by a key of their own (RFC 7523), and what may be used once only.

-- The public keys of an account, or where they are fetched from. Nothing of it is ever pending. The row stays when there are
-- none any more: a revision is never counted twice.
CREATE TABLE client_keys (
    service_account_id uuid PRIMARY KEY,
    tsg_id     text NOT NULL REFERENCES tenant,
    keys       jsonb NOT NULL,              -- [{credential_id, kid, alg, key: {kty, …}}], public members only
    jwks_uri   jsonb,                       -- {credential_id, uri}
    revision   integer NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tsg_id, service_account_id) REFERENCES service_account (tsg_id, id),
    CHECK (jwks_uri IS NULL OR keys = '[]')
);
ALTER TABLE client_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON client_keys TO carnet_tenant USING (tsg_id = current_tsg()) WITH CHECK (tsg_id = current_tsg());
GRANT SELECT, INSERT, UPDATE ON client_keys TO carnet_tenant;

-- The record that regions cache, one row per credential. Only what may still authenticate is in
-- it: what is revoking, revoked or inactive is absent, and absence is never answered from a cache.
-- What a program of before does not know is left out where there is none of it, so that it can read the rest.
CREATE OR REPLACE VIEW credential_record AS
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
) || coalesce((
    SELECT jsonb_build_object('client_keys', jsonb_build_object('keys', ck.keys, 'jwks_uri', ck.jwks_uri))
    FROM client_keys ck
    WHERE ck.service_account_id = a.id AND (ck.keys <> '[]' OR ck.jwks_uri IS NOT NULL)), '{}') AS record
FROM credential c
JOIN service_account a ON a.client_id = c.credential
JOIN tenant t ON t.tsg_id = a.tsg_id;

-- As in V7. What a caller proved itself by may be a key as well as a secret.
CREATE OR REPLACE FUNCTION caller_rights(
    p_client_id text, p_credential_id text, p_token_tsg text, p_tsg_id text,
    p_holds boolean, p_account uuid, p_changes_it boolean,
    OUT alive boolean, OUT reaches boolean, OUT rights jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_path text[];
BEGIN
    SELECT path INTO v_path FROM tenant WHERE tsg_id = p_tsg_id;
    reaches := coalesce(p_token_tsg = ANY (v_path), false);
    IF p_holds AND reaches THEN
        PERFORM CASE WHEN p_changes_it THEN pg_advisory_xact_lock(7029, hashtext(id::text))
                     ELSE pg_advisory_xact_lock_shared(7029, hashtext(id::text)) END
        FROM service_account WHERE id = p_account AND tsg_id = p_tsg_id;
        PERFORM pg_advisory_xact_lock_shared(7029, hashtext(id::text))
        FROM service_account WHERE client_id = p_client_id;
        PERFORM pg_advisory_xact_lock_shared(7031, hashtext(tsg_id))
        FROM service_account WHERE client_id = p_client_id;
    END IF;
    -- Each statement sees what was committed before it began, so what follows is true under the locks.
    PERFORM 1
    FROM service_account a
    JOIN tenant t ON t.tsg_id = a.tsg_id
    WHERE a.client_id = p_client_id AND a.enabled AND a.deleted_at IS NULL AND t.status = 'active'
      AND (EXISTS (
               SELECT 1 FROM client_secret s
               WHERE s.service_account_id = a.id AND s.credential_id = p_credential_id AND s.status = 'valid'
                 AND (s.expires_at IS NULL OR s.expires_at > clock_timestamp()))
           OR EXISTS (
               SELECT 1 FROM client_keys k
               WHERE k.service_account_id = a.id
                 AND (k.keys @> jsonb_build_array(jsonb_build_object('credential_id', p_credential_id))
                      OR k.jwks_uri @> jsonb_build_object('credential_id', p_credential_id))));
    alive := FOUND;
    SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object('permission', rp.permission, 'products', g.products)), '[]')
    INTO rights
    FROM access_policy g JOIN role_permission rp ON rp.role_id = g.role_id
    WHERE alive AND reaches AND g.principal = p_client_id AND g.target_tsg_id = ANY (v_path);
END $$;

-- What was used and must not be used again until it has expired anyway: the names of assertions, nonces (DESIGN §3.8). A hash
-- of who and what, in the slot of the minute in which it expires. Twelve slots, of which at most seven are in use: those of
-- minutes that are over are emptied whole, which costs the same however much was in them. Each slot has an index of its own: one
-- of the whole could not be dropped by a restore that cleans up first.
CREATE TABLE used_once (
    slot smallint NOT NULL,
    used uuid NOT NULL
) PARTITION BY LIST (slot);

DO $$
BEGIN
    FOR n IN 0..11 LOOP
        EXECUTE format('CREATE TABLE used_once_%s PARTITION OF used_once FOR VALUES IN (%s)', n, n);
        EXECUTE format('CREATE UNIQUE INDEX used_once_%s_used ON used_once_%s (used)', n, n);
    END LOOP;
END $$;

CREATE FUNCTION minute_of(p_at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT floor(extract(epoch FROM p_at) / 60)::bigint
$$;

-- Which of these are used for the first time; the others were used before, or have expired. In one order always, so that two
-- of these wait for each other and never in a circle.
CREATE FUNCTION use_once(p_used uuid[], p_ends_at timestamptz[]) RETURNS SETOF uuid
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO used_once (slot, used)
    SELECT minute_of(n.ends_at) % 12, n.used
    FROM unnest(p_used, p_ends_at) AS n (used, ends_at)
    WHERE n.ends_at > clock_timestamp() AND n.ends_at < clock_timestamp() + interval '6 minutes'
      -- The same name with another end: no replay, but not a name of its own either.
      AND NOT EXISTS (
          SELECT 1 FROM used_once o
          WHERE o.used = n.used
            AND o.slot IN (SELECT ((minute_of(clock_timestamp()) + ahead) % 12)::smallint FROM generate_series(0, 6) ahead))
    ORDER BY 1, 2
    ON CONFLICT DO NOTHING
    RETURNING used
$$;

-- Empties the slots of minutes that ended two to four minutes ago. Nobody looks at those, so nobody is waited for.
CREATE FUNCTION prune_used_once() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    v_slot integer;
    v_any boolean;
BEGIN
    FOR ago IN 2..4 LOOP
        v_slot := (minute_of(clock_timestamp()) - ago) % 12;
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM used_once_%s)', v_slot) INTO v_any;
        IF v_any THEN
            EXECUTE format('TRUNCATE used_once_%s', v_slot);
        END IF;
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION use_once(uuid[], timestamptz[]), prune_used_once() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION use_once(uuid[], timestamptz[]), prune_used_once() TO carnet_engine;
