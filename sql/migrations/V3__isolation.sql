-- Two roles that cannot bypass row-level security; Carnet works as one or the other, never as the
-- owner of the tables. carnet_tenant sees the one tenant named in carnet.tsg_id and what is below
-- it in the tree; carnet_engine moves keys between store and regions, and reads records.

DO $$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['carnet_tenant', 'carnet_engine'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = r) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', r);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- roles belong to the cluster: another database's migration was faster
            END;
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION current_tsg() RETURNS text
LANGUAGE sql STABLE AS $$ SELECT current_setting('carnet.tsg_id', true) $$;

-- What a caller may do in a tenant. One row always: alive: its account, secret and tenant still
-- authenticate; reaches: the tenant exists and is the token's own or below it; rights:
-- [{permission, products|null}].
--
-- Whoever changes something holds its own account as it is, so that it cannot be disabled between
-- this question and the change that depends on it; and the account that is used (shared) or changed
-- (exclusively), first. These are advisory locks and not row locks because they queue fairly: with row
-- locks, somebody who never stops asking could keep an administrator from disabling him.
CREATE FUNCTION caller_rights(
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
    END IF;
    -- Each statement sees what was committed before it began, so what follows is true under the locks.
    PERFORM 1
    FROM service_account a
    JOIN tenant t ON t.tsg_id = a.tsg_id
    JOIN client_secret s ON s.service_account_id = a.id
    WHERE a.client_id = p_client_id AND a.enabled AND a.deleted_at IS NULL
      AND t.status = 'active' AND s.credential_id = p_credential_id AND s.status = 'valid'
      AND (s.expires_at IS NULL OR s.expires_at > clock_timestamp());
    alive := FOUND;
    SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object('permission', rp.permission, 'products', g.products)), '[]')
    INTO rights
    FROM access_policy g JOIN role_permission rp ON rp.role_id = g.role_id
    WHERE alive AND reaches AND g.principal = p_client_id AND g.target_tsg_id = ANY (v_path);
END $$;

-- The permissions that a principal holds somewhere and the caller does not hold there, at least as
-- widely. Nobody takes away, or takes over, what they do not hold themselves.
CREATE FUNCTION caller_lacks(p_client_id text, p_token_tsg text, p_principal text) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT rp.permission ORDER BY rp.permission), '{}')
    FROM access_policy g
    JOIN role_permission rp ON rp.role_id = g.role_id
    JOIN tenant t ON t.tsg_id = g.target_tsg_id
    WHERE g.principal = p_principal AND NOT (
        p_token_tsg = ANY (t.path) AND EXISTS (
            SELECT 1 FROM access_policy c JOIN role_permission cr ON cr.role_id = c.role_id
            WHERE c.principal = p_client_id AND cr.permission = rp.permission
              AND c.target_tsg_id = ANY (t.path)
              AND (c.products IS NULL OR g.products <@ c.products)))
$$;

-- The tenants from the root to this one, or nothing. The shape of the tree never changes, so the
-- answer may be kept for ever.
CREATE FUNCTION tenant_path(p_tsg_id text) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT path FROM tenant WHERE tsg_id = p_tsg_id
$$;

ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON tenant TO carnet_tenant
    USING (current_tsg() = ANY (path)) WITH CHECK (current_tsg() = ANY (path));

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['license', 'credential', 'service_account', 'client_secret',
                             'access_policy', 'api_key', 'audit_event', 'idempotency_key'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own ON %I TO carnet_tenant
                        USING (tsg_id = current_tsg()) WITH CHECK (tsg_id = current_tsg())', t);
    END LOOP;
    -- Predefined roles have no tenant: everybody reads them, nobody writes them.
    FOREACH t IN ARRAY ARRAY['role', 'role_permission'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own ON %I TO carnet_tenant
                        USING (tsg_id = current_tsg()) WITH CHECK (tsg_id = current_tsg())', t);
        EXECUTE format('CREATE POLICY predefined ON %I FOR SELECT TO carnet_tenant
                        USING (tsg_id IS NULL)', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['credential', 'client_secret', 'api_key'] LOOP
        EXECUTE format('CREATE POLICY engine ON %I TO carnet_engine USING (true) WITH CHECK (true)', t);
    END LOOP;
    CREATE POLICY engine ON idempotency_key FOR ALL TO carnet_engine USING (true);
    CREATE POLICY engine ON audit_event FOR INSERT TO carnet_engine WITH CHECK (true);
END $$;

GRANT SELECT, INSERT ON tenant, license, credential, audit_event TO carnet_tenant;
GRANT UPDATE (superseded_at) ON license TO carnet_tenant;
GRANT SELECT, INSERT, UPDATE ON service_account, client_secret, api_key TO carnet_tenant;
GRANT SELECT, INSERT, DELETE ON role, role_permission, access_policy, idempotency_key TO carnet_tenant;
GRANT SELECT ON product, permission TO carnet_tenant;

GRANT SELECT ON credential, credential_record, product, authority, acknowledgement TO carnet_engine;
GRANT SELECT, UPDATE ON client_secret, api_key TO carnet_engine;
GRANT INSERT ON audit_event TO carnet_engine;
GRANT SELECT, DELETE ON idempotency_key TO carnet_engine;
GRANT SELECT, INSERT, UPDATE ON region, acknowledgement, signing_key TO carnet_engine;
GRANT SELECT, INSERT, UPDATE, DELETE ON instance TO carnet_engine;
GRANT SELECT, DELETE ON change TO carnet_engine;
GRANT SELECT, INSERT, UPDATE ON authority TO carnet_engine;

REVOKE ALL ON FUNCTION append_changes(text[]), flip_ready(text[]), authority_now(),
    caller_rights(text, text, text, text, boolean, uuid, boolean), caller_lacks(text, text, text),
    tenant_path(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_changes(text[]) TO carnet_tenant;
GRANT EXECUTE ON FUNCTION caller_rights(text, text, text, text, boolean, uuid, boolean),
    caller_lacks(text, text, text), tenant_path(text) TO carnet_tenant;
GRANT EXECUTE ON FUNCTION flip_ready(text[]), authority_now(), tenant_path(text) TO carnet_engine;

-- API keys as they are shown: with today's status, which the authority's clock decides, and with what
-- the account lacks of what the product asks for: all apps and services, or a role for them. It is
-- read with the rights of who asks, so row-level security holds here too.
CREATE VIEW api_key_shown WITH (security_invoker = true) AS
SELECT k.api_key_id, k.tsg_id, k.product, k.name,
       CASE WHEN k.status IN ('valid', 'inactive') AND k.expires_at <= now() THEN 'expired'
            ELSE k.status::text END AS status,
       k.service_account_id, k.credential, k.comment, k.expires_at, k.created_at, k.created_by,
       k.status_changed_at, k.revoked_at, k.revoke_reason,
       judged AND grants = 0 AS without_grant, judged AND grants > 0 AND roles = 0 AS without_role
FROM api_key k JOIN product p ON p.product = k.product
CROSS JOIN LATERAL (
    SELECT k.status IN ('pending', 'valid', 'inactive') AND p.requires_all_apps AS judged,
           count(*) AS grants, count(g.role_id) AS roles
    FROM access_policy g
    WHERE g.tsg_id = k.tsg_id AND g.principal = k.credential AND g.products IS NULL
      AND g.target_tsg_id = ANY (tenant_path(k.tsg_id))) held;
GRANT SELECT ON api_key_shown TO carnet_tenant;

-- Whoever migrates serves, unless an administrator divides the two: GRANT carnet_tenant, carnet_engine
-- TO the role that serves. Where another role of the cluster made these, it has to do so.
DO $$
BEGIN
    GRANT carnet_tenant, carnet_engine TO CURRENT_USER;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'not granted to %: somebody else made the roles', current_user;
END $$;
