-- Who may act for whom (RFC 8693): the accounts that may exchange an account's tokens for delegated ones.

-- Nothing of it is ever pending. The row stays when there is nobody any more: a revision is never counted twice.
CREATE TABLE may_act (
    service_account_id uuid PRIMARY KEY,
    tsg_id     text NOT NULL REFERENCES tenant,
    actors     text[] NOT NULL,             -- client_ids of the same tenant, sorted
    revision   integer NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tsg_id, service_account_id) REFERENCES service_account (tsg_id, id)
);
ALTER TABLE may_act ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON may_act TO carnet_tenant USING (tsg_id = current_tsg()) WITH CHECK (tsg_id = current_tsg());
GRANT SELECT, INSERT, UPDATE ON may_act TO carnet_tenant;

-- As in V11, and who may act. The record that regions cache, one row per credential. Only what may still authenticate is in
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
    WHERE ck.service_account_id = a.id AND (ck.keys <> '[]' OR ck.jwks_uri IS NOT NULL)), '{}') || coalesce((
    SELECT jsonb_build_object('may_act', m.actors)
    FROM may_act m
    WHERE m.service_account_id = a.id AND m.actors <> '{}'), '{}') AS record
FROM credential c
JOIN service_account a ON a.client_id = c.credential
JOIN tenant t ON t.tsg_id = a.tsg_id;
