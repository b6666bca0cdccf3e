-- The other ways to take something away.

-- Changes are made only to what was seen.
ALTER TABLE api_key
    ADD revision     integer NOT NULL DEFAULT 1,
    ADD shortened_at timestamptz;               -- when its end was brought forward: tokens of before may outlive it

ALTER TABLE license ADD revision integer NOT NULL DEFAULT 1;
ALTER TABLE tenant ADD revision integer NOT NULL DEFAULT 1;
GRANT UPDATE (ends_at, revision) ON license TO carnet_tenant;
GRANT UPDATE (name, status, revision) ON tenant TO carnet_tenant;

CREATE OR REPLACE VIEW api_key_shown WITH (security_invoker = true) AS
SELECT k.api_key_id, k.tsg_id, k.product, k.name,
       CASE WHEN k.status IN ('valid', 'inactive') AND k.expires_at <= now() THEN 'expired'
            ELSE k.status::text END AS status,
       k.service_account_id, k.credential, k.comment, k.expires_at, k.created_at, k.created_by,
       k.status_changed_at, k.revoked_at, k.revoke_reason,
       judged AND grants = 0 AS without_grant, judged AND grants > 0 AND roles = 0 AS without_role,
       k.revision
FROM api_key k JOIN product p ON p.product = k.product
CROSS JOIN LATERAL (
    SELECT k.status IN ('pending', 'valid', 'inactive') AND p.requires_all_apps AS judged,
           count(*) AS grants, count(g.role_id) AS roles
    FROM access_policy g
    WHERE g.tsg_id = k.tsg_id AND g.principal = k.credential AND g.products IS NULL
      AND g.target_tsg_id = ANY (tenant_path(k.tsg_id))) held;

-- Those of these credentials that lack nothing: see flip_ready. None while leases of another history may be alive, for
-- what such an instance has applied is not known here.
CREATE FUNCTION ready_to_flip(p_credentials text[]) RETURNS text[]
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(c.credential), '{}')
    FROM credential c
    WHERE c.credential = ANY (p_credentials)
      AND EXISTS (SELECT 1 FROM region WHERE state = 'required')
      AND NOT EXISTS (
          SELECT 1 FROM region r
          WHERE r.state = 'required' AND NOT EXISTS (
              SELECT 1 FROM acknowledgement a
              WHERE a.credential = c.credential AND a.region = r.region
                AND a.version = c.version AND a.epoch = r.epoch))
      AND NOT EXISTS (
          SELECT 1 FROM instance i
          WHERE i.lease_until > clock_timestamp() AND i.applied < c.seq)
      AND EXISTS (
          SELECT 1 FROM authority a, authority_now() n
          WHERE (a.system_identifier, a.timeline, a.incarnation) = (n.system_identifier, n.timeline, n.incarnation)
            AND a.since + a.longest_lease < clock_timestamp())
$$;
REVOKE ALL ON FUNCTION ready_to_flip(text[]) FROM PUBLIC;

-- Turns what is pending in these credentials valid, where every required region has acknowledged
-- the present version in its present epoch, and every instance that may answer from a cache has applied
-- it (or it might still answer from a record in which the key does not exist). Rows that somebody
-- else is changing are left to the next round: waiting for them under the lock could deadlock. That goes for
-- both halves of a rotation: the new secret turns valid and the old one revoking together, or neither does.
CREATE OR REPLACE FUNCTION flip_ready(p_credentials text[]) RETURNS TABLE (flipped text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_ready text[];
    v_replaced text[];
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
    -- whose time was over before every region had it takes nobody's place.
    FOR v_rotated IN
        WITH replaced AS (
            UPDATE client_secret o SET status = 'revoking'
            FROM client_secret n
            WHERE n.credential = ANY (v_flipped) AND n.status = 'valid' AND n.replaces = o.credential_id
              AND (n.expires_at IS NULL OR n.expires_at > clock_timestamp())
              AND o.credential_id = ANY (v_replaced) AND o.status = 'valid'
            RETURNING o.tsg_id, o.credential, o.credential_id
        ), audit AS (
            INSERT INTO audit_event (tsg_id, actor, action, target)
            SELECT tsg_id, 'carnet', 'client_secret.replaced', credential_id FROM replaced
        )
        SELECT DISTINCT credential FROM replaced
    LOOP
        PERFORM append_changes(ARRAY[v_rotated], true);
    END LOOP;
    IF cardinality(v_flipped) > 0 THEN
        PERFORM pg_notify('carnet_change', '');
    END IF;
    RETURN QUERY SELECT unnest(v_flipped);
END $$;

-- append_changes for all accounts of the tenant that this transaction is in; none where there is none. They are listed
-- under the lock: an account that is made at the same time is either among them, or first read after this commit.
CREATE FUNCTION append_tenant_changes(p_withdraws boolean) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_credentials text[];
BEGIN
    PERFORM pg_advisory_xact_lock(7027);
    SELECT array_agg(client_id) INTO v_credentials
    FROM service_account WHERE tsg_id = current_tsg() AND deleted_at IS NULL;
    IF v_credentials IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN append_changes(v_credentials, p_withdraws);
END $$;
REVOKE ALL ON FUNCTION append_tenant_changes(boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_tenant_changes(boolean) TO carnet_tenant;

-- What a caller may do in a tenant. One row always: alive: its account, secret and tenant still
-- authenticate; reaches: the tenant exists and is the token's own or below it; rights:
-- [{permission, products|null}].
--
-- Whoever changes something holds its own account as it is, so that it cannot be disabled between
-- this question and the change that depends on it; and the account that is used (shared) or changed
-- (exclusively), first. Last its own tenant, so that this is not suspended meanwhile (7031; who suspends a tenant
-- holds it exclusively). These are advisory locks and not row locks because they queue fairly: with row
-- locks, somebody who never stops asking could keep an administrator from disabling him.
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
