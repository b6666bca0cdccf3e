-- What is made of all the tables that an account has: its record, and what its caller may do.

-- The record that regions cache, one row per credential. Only what may still authenticate is in it: what is revoking, revoked or
-- inactive is absent, and absence is never answered from a cache. What a program of before does not know is left out where there is
-- none of it, so that it can read the rest.
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
    HAVING count(*) > 0), '{}') AS record
FROM credential c
JOIN service_account a ON a.client_id = c.credential
JOIN tenant t ON t.tsg_id = a.tsg_id;

-- As in V7, but for what is behind a single token: it, and those that it was exchanged from, may have been taken back. A program of
-- before says nothing of them.
DROP FUNCTION caller_rights(text, text, text, text, boolean, uuid, boolean);
-- What a caller proved itself by may be a key, a certificate or another issuer's token as well as a secret.
CREATE FUNCTION caller_rights(
    p_client_id text, p_credential_id text, p_token_tsg text, p_tsg_id text,
    p_holds boolean, p_account uuid, p_changes_it boolean, p_tokens uuid[] DEFAULT '{}',
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
      AND NOT EXISTS (SELECT 1 FROM revoked_token r WHERE r.credential = p_client_id AND r.token = ANY (p_tokens))
      AND (EXISTS (
               SELECT 1 FROM client_secret s
               WHERE s.service_account_id = a.id AND s.credential_id = p_credential_id AND s.status = 'valid'
                 AND (s.expires_at IS NULL OR s.expires_at > clock_timestamp()))
           OR EXISTS (
               SELECT 1 FROM client_keys k
               WHERE k.service_account_id = a.id
                 AND (k.keys @> jsonb_build_array(jsonb_build_object('credential_id', p_credential_id))
                      OR k.jwks_uri @> jsonb_build_object('credential_id', p_credential_id)))
           OR EXISTS (
               SELECT 1 FROM client_certificates c
               WHERE c.service_account_id = a.id
                 AND (c.certificates @> jsonb_build_array(jsonb_build_object('credential_id', p_credential_id))
                      OR c.name @> jsonb_build_object('credential_id', p_credential_id)))
           OR p_credential_id LIKE 'fed:%' AND EXISTS (
               SELECT 1 FROM trust_rule_of_all r
               WHERE r.service_account_id = a.id AND r.credential_id = p_credential_id));
    alive := FOUND;
    SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object('permission', rp.permission, 'products', g.products)), '[]')
    INTO rights
    FROM access_policy g JOIN role_permission rp ON rp.role_id = g.role_id
    WHERE alive AND reaches AND g.principal = p_client_id AND g.target_tsg_id = ANY (v_path);
END $$;
REVOKE ALL ON FUNCTION caller_rights(text, text, text, text, boolean, uuid, boolean, uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION caller_rights(text, text, text, text, boolean, uuid, boolean, uuid[]) TO carnet_tenant;
