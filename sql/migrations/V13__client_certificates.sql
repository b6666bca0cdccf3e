-- Clients that prove themselves by a certificate (RFC 8705), and tokens that are bound to one.

-- What an account's certificates say, or which they are, and whether its tokens are bound to them. Nothing of it is ever
-- pending. The row stays when there are none any more: a revision is never counted twice.
CREATE TABLE client_certificates (
    service_account_id uuid PRIMARY KEY,
    tsg_id       text NOT NULL REFERENCES tenant,
    name         jsonb,                     -- {credential_id, kind, text, compared}
    certificates jsonb NOT NULL,            -- [{credential_id, subject, expires_at}]
    bound        boolean NOT NULL,
    revision     integer NOT NULL DEFAULT 1,
    changed_at   timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tsg_id, service_account_id) REFERENCES service_account (tsg_id, id),
    CHECK (name IS NULL OR certificates = '[]')
);
ALTER TABLE client_certificates ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON client_certificates TO carnet_tenant USING (tsg_id = current_tsg()) WITH CHECK (tsg_id = current_tsg());
GRANT SELECT, INSERT, UPDATE ON client_certificates TO carnet_tenant;

-- As in V11, with certificates.
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
    WHERE cc.service_account_id = a.id AND (cc.name IS NOT NULL OR cc.certificates <> '[]' OR cc.bound)), '{}') AS record
FROM credential c
JOIN service_account a ON a.client_id = c.credential
JOIN tenant t ON t.tsg_id = a.tsg_id;

-- As in V11. What a caller proved itself by may be a certificate as well.
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
                      OR k.jwks_uri @> jsonb_build_object('credential_id', p_credential_id)))
           OR EXISTS (
               SELECT 1 FROM client_certificates c
               WHERE c.service_account_id = a.id
                 AND (c.certificates @> jsonb_build_array(jsonb_build_object('credential_id', p_credential_id))
                      OR c.name @> jsonb_build_object('credential_id', p_credential_id))));
    alive := FOUND;
    SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object('permission', rp.permission, 'products', g.products)), '[]')
    INTO rights
    FROM access_policy g JOIN role_permission rp ON rp.role_id = g.role_id
    WHERE alive AND reaches AND g.principal = p_client_id AND g.target_tsg_id = ANY (v_path);
END $$;
