-- Signing keys with a life of their own: published, signing, retiring, retired or revoked; and which master keys there are.
--
-- How a state is written: status 'published' before it signs, and again (superseded) after it has signed; 'active' while it
-- signs; 'retired' once it is in no JWKS, without its private half. So a program of before, which knows only these three, goes
-- on publishing what it has to publish.
ALTER TABLE signing_key ALTER sealed DROP NOT NULL;
UPDATE signing_key SET sealed = NULL WHERE status = 'retired';
ALTER TABLE signing_key
    ADD superseded       boolean NOT NULL DEFAULT false,  -- another one signs in its place
    ADD revoke_reason    text,                            -- why somebody took it out at once
    ADD revision         bigint NOT NULL DEFAULT 0,       -- of the keyring in which it got its present state
    ADD state_changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD everywhere_at    timestamptz,                     -- when every instance was seen to know of its present state
    ADD CONSTRAINT signing_key_sealed CHECK ((status = 'retired') = (sealed IS NULL)),
    ADD CONSTRAINT signing_key_superseded CHECK (NOT superseded OR status <> 'active'),
    ADD CONSTRAINT signing_key_reason CHECK (revoke_reason IS NULL OR status = 'retired');
UPDATE signing_key SET state_changed_at = created_at;
-- One is on its way at most.
CREATE UNIQUE INDEX signing_key_one_upcoming ON signing_key (algorithm) WHERE status = 'published' AND NOT superseded;

-- All signing keys together. The revision is the time in microseconds, so that none comes again in another history.
CREATE TABLE keyring (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    revision   bigint NOT NULL,
    serve_from bigint NOT NULL    -- who has not loaded this revision keeps no lease: a key of before is compromised
);
INSERT INTO keyring (revision, serve_from) VALUES (next_epoch(0), 0);

ALTER TABLE instance
    ADD keyring      bigint NOT NULL DEFAULT 0,      -- the revision that it has loaded
    ADD keys_lacking text[] NOT NULL DEFAULT '{}',   -- keys of it that it cannot read
    ADD masters      text[] NOT NULL DEFAULT '{}';   -- its master keys, the current one first

-- Every step of a key makes another keyring. Whoever makes one waits here for who makes another, so that a reader who sees a
-- revision sees, in the same statement, all keys as they are in it.
CREATE FUNCTION count_keyring() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE keyring SET revision = next_epoch(revision) RETURNING revision INTO NEW.revision;
    NEW.state_changed_at := clock_timestamp();
    NEW.everywhere_at := NULL;
    PERFORM pg_notify('carnet_change', '');
    RETURN NEW;
END $$;
CREATE TRIGGER signing_key_step BEFORE INSERT OR UPDATE OF status, superseded ON signing_key
FOR EACH ROW EXECUTE FUNCTION count_keyring();

-- For how long a key is published everywhere before it signs: twice the max-age of the JWKS.
CREATE FUNCTION jwks_patience() RETURNS interval LANGUAGE sql IMMUTABLE AS $$ SELECT interval '600 seconds' $$;

-- For how long a key that no longer signs anywhere is published: the longest life of a token, and a minute for clocks.
CREATE FUNCTION longest_token() RETURNS interval LANGUAGE sql STABLE AS $$
    SELECT make_interval(secs => 60 + greatest(900, (SELECT max(token_lifetime_seconds) FROM product)))
$$;

-- How many instances may answer without knowing of this key's present state, or cannot read it.
CREATE FUNCTION key_awaited(k signing_key) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM instance i
    WHERE i.lease_until > clock_timestamp()
      AND (i.keyring < k.revision OR k.status <> 'retired' AND k.kid = ANY (i.keys_lacking))
$$;

-- False while leases of another history may be alive: what their instances have loaded is not known here.
CREATE FUNCTION leases_are_known() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT NOT EXISTS (
        SELECT 1 FROM authority a, authority_now() n
        WHERE (a.system_identifier, a.timeline, a.incarnation) <> (n.system_identifier, n.timeline, n.incarnation)
           OR a.since + a.longest_lease >= clock_timestamp())
$$;

-- The step that a key takes by itself, if it is time: 'everywhere' is none of its own, but begins the wait for the next.
CREATE FUNCTION key_step_due(k signing_key) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN key_awaited(k) > 0 OR NOT leases_are_known() THEN NULL
        WHEN k.everywhere_at IS NULL THEN 'everywhere'
        WHEN k.status = 'published' AND NOT k.superseded AND k.everywhere_at + jwks_patience() <= clock_timestamp() THEN 'promote'
        WHEN k.status = 'published' AND k.superseded AND k.everywhere_at + longest_token() <= clock_timestamp() THEN 'retire'
    END
$$;

CREATE FUNCTION tell_of_key(p_kid text, p_action text, p_actor text, p_details jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO audit_event (tsg_id, actor, action, target, details)
    SELECT tsg_id, p_actor, 'signing_key.' || p_action, p_kid, p_details FROM tenant WHERE parent_tsg_id IS NULL
$$;

-- A new key is published; what stood in the way: 'unknown' (not for this tenant to do), 'under_way'.
CREATE FUNCTION publish_signing_key(p_kid text, p_algorithm text, p_sealed bytea, p_actor text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT acts_at_root() THEN
        RETURN 'unknown';
    END IF;
    PERFORM pg_advisory_xact_lock(7031);
    IF EXISTS (SELECT 1 FROM signing_key
               WHERE algorithm::text = p_algorithm AND status = 'published' AND NOT superseded) THEN
        RETURN 'under_way';
    END IF;
    INSERT INTO signing_key (kid, algorithm, status, sealed)
    VALUES (p_kid, p_algorithm::signing_algorithm, 'published', p_sealed);
    PERFORM tell_of_key(p_kid, 'publish', p_actor, jsonb_build_object('algorithm', p_algorithm));
    RETURN NULL;
END $$;

-- The new key signs from now on and the old one does not. Under 7031.
CREATE FUNCTION swap_signing_keys(p_kid text, p_actor text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_old text;
BEGIN
    UPDATE signing_key SET status = 'published', superseded = true
    WHERE status = 'active' AND algorithm = (SELECT algorithm FROM signing_key WHERE kid = p_kid)
    RETURNING kid INTO v_old;
    UPDATE signing_key SET status = 'active' WHERE kid = p_kid;
    PERFORM tell_of_key(p_kid, 'promote', p_actor, jsonb_build_object('supersedes', v_old));
END $$;

-- Lets a published key sign, and never too early; what stood in the way: 'unknown', 'retired', 'not_everywhere', 'too_early'.
-- One that signs stays as it is. An instance whose lease has ended is not waited for: it begins again with the newest keyring.
CREATE FUNCTION promote_signing_key(p_kid text, p_actor text, OUT refused text, OUT possible_at timestamptz, OUT awaited bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    k signing_key%ROWTYPE;
BEGIN
    refused := 'unknown';
    IF NOT acts_at_root() THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(7031);
    SELECT * INTO k FROM signing_key WHERE kid = p_kid FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    refused := NULL;
    IF k.status = 'active' THEN
        RETURN;
    END IF;
    awaited := key_awaited(k);
    possible_at := k.everywhere_at + jwks_patience();
    IF k.status = 'retired' OR k.superseded THEN
        refused := 'retired';
    ELSIF k.everywhere_at IS NULL OR awaited > 0 OR NOT leases_are_known() THEN
        refused := 'not_everywhere';
    ELSIF possible_at > clock_timestamp() THEN
        refused := 'too_early';
    ELSE
        PERFORM swap_signing_keys(p_kid, p_actor);
    END IF;
END $$;

-- Takes a key out at once, for it is compromised; where it signed, the new one signs at once. What stood in the way: 'unknown',
-- 'retired'. Whoever asks again has done it before.
CREATE FUNCTION revoke_signing_key(
    p_kid text, p_reason text, p_actor text, p_new_kid text, p_new_sealed bytea) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    k signing_key%ROWTYPE;
    v_new text;
BEGIN
    IF NOT acts_at_root() THEN
        RETURN 'unknown';
    END IF;
    PERFORM pg_advisory_xact_lock(7031);
    SELECT * INTO k FROM signing_key WHERE kid = p_kid FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    ELSIF k.revoke_reason IS NOT NULL THEN
        RETURN NULL;
    ELSIF k.status = 'retired' THEN
        RETURN 'retired';
    END IF;
    UPDATE signing_key SET status = 'retired', sealed = NULL, revoke_reason = p_reason WHERE kid = p_kid;
    IF k.status = 'active' THEN
        INSERT INTO signing_key (kid, algorithm, status, sealed) VALUES (p_new_kid, k.algorithm, 'active', p_new_sealed);
        v_new := p_new_kid;
    END IF;
    UPDATE keyring SET serve_from = revision;
    UPDATE signing_key SET revision = (SELECT r.revision FROM keyring r) WHERE kid = p_kid;
    PERFORM tell_of_key(p_kid, 'revoke', p_actor, jsonb_build_object('reason', p_reason, 'replaced_by', v_new));
    RETURN NULL;
END $$;

-- Every step that is due, once.
CREATE FUNCTION tend_signing_keys() RETURNS TABLE (tended text, step text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    k signing_key%ROWTYPE;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM signing_key s WHERE (s.status <> 'retired' OR s.everywhere_at IS NULL) AND key_step_due(s) IS NOT NULL) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(7031);
    FOR k IN SELECT * FROM signing_key s WHERE s.status <> 'retired' OR s.everywhere_at IS NULL ORDER BY created_at FOR UPDATE LOOP
        step := key_step_due(k);
        CONTINUE WHEN step IS NULL;
        IF step = 'everywhere' THEN
            UPDATE signing_key SET everywhere_at = clock_timestamp() WHERE kid = k.kid;
        ELSIF step = 'promote' THEN
            PERFORM swap_signing_keys(k.kid, 'carnet');
        ELSE
            UPDATE signing_key SET status = 'retired', sealed = NULL WHERE kid = k.kid;
            PERFORM tell_of_key(k.kid, 'retire', 'carnet', '{}');
        END IF;
        tended := k.kid;
        RETURN NEXT;
    END LOOP;
END $$;

-- The master key that a text was sealed under, as it says; a broken text says anything, and is no error.
CREATE FUNCTION sealed_under(p_sealed bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN octet_length(p_sealed) > 2 THEN encode(substring(p_sealed FROM 3 FOR get_byte(p_sealed, 1)), 'escape') END
$$;

-- Keys as they are shown.
CREATE VIEW signing_key_shown AS
SELECT s.kid, s.algorithm::text AS algorithm,
       CASE WHEN s.revoke_reason IS NOT NULL THEN 'revoked'
            WHEN s.status = 'retired' THEN 'retired'
            WHEN s.superseded THEN 'retiring'
            WHEN s.status = 'active' THEN 'signing'
            ELSE 'published' END AS state,
       s.state_changed_at, s.everywhere_at,
       key_awaited(s) AS awaited,
       CASE WHEN s.status = 'published' AND s.superseded THEN s.everywhere_at + longest_token()
            WHEN s.status = 'published' THEN s.everywhere_at + jwks_patience() END AS next_step_at,
       sealed_under(s.sealed) AS master_key_id, s.revoke_reason, s.created_at
FROM signing_key s;

-- Every master key that was ever the current one, and what a database can tell it by.
CREATE TABLE master_key (
    id          text PRIMARY KEY,
    check_value text NOT NULL,
    since       timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What each master key is still needed for.
CREATE INDEX client_secret_pepper ON client_secret (pepper) WHERE status IN ('pending', 'valid');
CREATE VIEW master_key_shown AS
SELECT m.id, coalesce(k.keys, 0) AS signing_keys, coalesce(s.secrets, 0) AS client_secrets
FROM master_key m
LEFT JOIN (SELECT sealed_under(sealed) AS id, count(*) AS keys FROM signing_key GROUP BY 1) k ON k.id = m.id
LEFT JOIN (SELECT pepper AS id, count(*) AS secrets FROM client_secret
           WHERE status IN ('pending', 'valid') AND (expires_at IS NULL OR expires_at > clock_timestamp())
           GROUP BY pepper) s ON s.id = m.id;

-- Judges the master keys of an instance, the current one first, and remembers them. Nothing stands in the way, or: 'wrong'
-- (others made what is here, or another key has this name); 'in_use', with the one that is missing and still needed.
CREATE FUNCTION recognise_masters(p_ids text[], p_checks text[], OUT refused text, OUT id text, OUT signing_keys bigint, OUT client_secrets bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO master_key (id, check_value)
    SELECT split_part(a.master_check, ':', 1), split_part(a.master_check, ':', 2) FROM authority a
    ON CONFLICT DO NOTHING;
    IF EXISTS (SELECT 1 FROM unnest(p_ids, p_checks) g(id, value) JOIN master_key m ON m.id = g.id WHERE m.check_value <> g.value)
        OR NOT EXISTS (SELECT 1 FROM master_key m WHERE m.id = ANY (p_ids)) THEN
        refused := 'wrong';
        RETURN;
    END IF;
    SELECT 'in_use', s.id, s.signing_keys, s.client_secrets INTO refused, id, signing_keys, client_secrets
    FROM master_key_shown s
    WHERE s.id <> ALL (p_ids) AND s.signing_keys + s.client_secrets > 0 ORDER BY s.id LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    INSERT INTO master_key (id, check_value) SELECT g.id, g.value FROM unnest(p_ids, p_checks) g(id, value) ON CONFLICT DO NOTHING;
    -- A program of before asks for this one.
    UPDATE authority SET master_check = p_ids[1] || ':' || p_checks[1]
    WHERE split_part(master_check, ':', 1) <> ALL (p_ids);
END $$;

-- Whether all who are alive make new things with this master key, so that old ones may be made anew with it.
CREATE FUNCTION is_everybodys_master(p_id text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (SELECT 1 FROM instance
                       WHERE lease_until > clock_timestamp() AND masters[1] IS DISTINCT FROM p_id)
$$;

-- Hashes of secrets that have proved right, made anew; how many. Each account's record changes once.
CREATE FUNCTION rehash_client_secrets(p_ids text[], p_hashes bytea[], p_pepper text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_credentials text[];
    v_count bigint;
BEGIN
    IF NOT is_everybodys_master(p_pepper) THEN
        RETURN 0;
    END IF;
    WITH done AS (
        UPDATE client_secret s SET pepper = p_pepper, hash = g.hash
        FROM unnest(p_ids, p_hashes) g(id, hash)
        WHERE s.credential_id = g.id AND s.pepper <> p_pepper AND s.status IN ('pending', 'valid')
        RETURNING s.credential
    )
    SELECT array_agg(DISTINCT credential), count(*) INTO v_credentials, v_count FROM done;
    IF v_count > 0 THEN
        PERFORM append_changes(v_credentials);
    END IF;
    RETURN v_count;
END $$;

GRANT SELECT ON keyring, master_key_shown, signing_key_shown TO carnet_engine, carnet_tenant;
REVOKE ALL ON FUNCTION count_keyring(), tell_of_key(text, text, text, jsonb), swap_signing_keys(text, text),
    publish_signing_key(text, text, bytea, text), promote_signing_key(text, text),
    revoke_signing_key(text, text, text, text, bytea), tend_signing_keys(), recognise_masters(text[], text[]),
    rehash_client_secrets(text[], bytea[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION publish_signing_key(text, text, bytea, text), promote_signing_key(text, text),
    revoke_signing_key(text, text, text, text, bytea) TO carnet_tenant;
GRANT EXECUTE ON FUNCTION publish_signing_key(text, text, bytea, text), tend_signing_keys(),
    recognise_masters(text[], text[]), rehash_client_secrets(text[], bytea[], text) TO carnet_engine;

INSERT INTO permission (permission, description) VALUES
    ('iam.signing_key', 'Read, make, promote and revoke the signing keys of the installation; for tenants at the root only');
INSERT INTO role_permission (role_id, permission) VALUES ('00000000-0000-7000-8000-000000000001', 'iam.signing_key');
