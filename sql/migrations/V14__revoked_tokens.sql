-- Single tokens that are taken back before their time (RFC 7009), as part of the record that regions cache: so whoever has heard of
-- the change refuses them, and a receipt says who has. Rows come and go only together with another version of the record.
CREATE TABLE revoked_token (
    credential text NOT NULL,
    token      uuid NOT NULL,           -- a hash of its jti
    tsg_id     text NOT NULL REFERENCES tenant,
    expires_at timestamptz NOT NULL,    -- afterwards everybody refuses it anyway
    PRIMARY KEY (credential, token),
    FOREIGN KEY (tsg_id, credential) REFERENCES credential (tsg_id, credential)
);
CREATE INDEX revoked_token_end ON revoked_token (expires_at);
ALTER TABLE revoked_token ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON revoked_token TO carnet_tenant USING (tsg_id = current_tsg()) WITH CHECK (tsg_id = current_tsg());
GRANT SELECT, INSERT, DELETE ON revoked_token TO carnet_tenant;

-- As in V11, and what was taken back.
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
    WHERE ck.service_account_id = a.id AND (ck.keys <> '[]' OR ck.jwks_uri IS NOT NULL)), '{}')
  || coalesce((
    SELECT jsonb_build_object('revoked_tokens', jsonb_agg(rt.token ORDER BY rt.token))
    FROM revoked_token rt
    WHERE rt.credential = c.credential
    HAVING count(*) > 0), '{}') AS record
FROM credential c
JOIN service_account a ON a.client_id = c.credential
JOIN tenant t ON t.tsg_id = a.tsg_id;

-- Forgets those that have expired, of so many accounts at most, and makes their records anew without them. Ten minutes later: no
-- clock is that wrong, and who takes back one token often takes back the next one soon, which forgets the old ones on the way.
CREATE FUNCTION prune_revoked_tokens(p_most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_credentials text[];
BEGIN
    WITH old AS (
        SELECT DISTINCT credential FROM (
            SELECT credential FROM revoked_token WHERE expires_at < clock_timestamp() - interval '10 minutes'
            ORDER BY expires_at LIMIT p_most) part
    ), gone AS (
        DELETE FROM revoked_token r USING old
        WHERE r.credential = old.credential AND r.expires_at < clock_timestamp() - interval '10 minutes'
        RETURNING r.credential
    )
    SELECT array_agg(DISTINCT credential) INTO v_credentials FROM gone;
    IF v_credentials IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM append_changes(v_credentials);
    RETURN cardinality(v_credentials);
END $$;
REVOKE ALL ON FUNCTION prune_revoked_tokens(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_revoked_tokens(integer) TO carnet_engine;
