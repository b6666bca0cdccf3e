-- Accounts that get tokens with a proof of possession only (RFC 9449 §5.2).
ALTER TABLE service_account ADD dpop_bound boolean NOT NULL DEFAULT false;

-- As in V17, and that. A program of before does not know it, and so it is left out where it is not so.
CREATE OR REPLACE VIEW service_account_record AS
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
    WHERE ck.service_account_id = a.id AND (ck.keys <> '[]' OR ck.jwks_uri IS NOT NULL)), '{}'
) || coalesce((
    SELECT jsonb_build_object('client_certificates', jsonb_build_object(
        'name', cc.name, 'certificates', cc.certificates, 'bound', cc.bound))
    FROM client_certificates cc
    WHERE cc.service_account_id = a.id AND (cc.name IS NOT NULL OR cc.certificates <> '[]' OR cc.bound)), '{}'
) || coalesce((
    SELECT jsonb_build_object('may_act', m.actors)
    FROM may_act m
    WHERE m.service_account_id = a.id AND m.actors <> '{}'), '{}'
) || coalesce((
    SELECT jsonb_build_object('trust', jsonb_build_object(
        'issuers', jsonb_agg(DISTINCT jsonb_build_object(
            'id', r.issuer_id, 'issuer', r.issuer, 'kind', r.kind, 'audience', r.audience,
            'keys', r.keys, 'jwks_uri', r.jwks_uri)),
        'rules', jsonb_agg(jsonb_build_object(
            'credential_id', r.credential_id, 'issuer_id', r.issuer_id, 'claims', r.claims) ORDER BY r.place)))
    FROM trust_rule_of_all r
    WHERE r.service_account_id = a.id
    HAVING count(*) > 0), '{}'
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
    HAVING count(*) > 0), '{}'
) || CASE WHEN a.dpop_bound THEN '{"dpop_bound": true}' ELSE '{}' END::jsonb AS record
FROM credential c
JOIN service_account a ON a.client_id = c.credential
JOIN tenant t ON t.tsg_id = a.tsg_id;
