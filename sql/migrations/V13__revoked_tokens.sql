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

-- Status lists (draft-ietf-oauth-status-list): one bit for each pair of what a client proves itself by and the API key that its
-- token is for (or none, for a management token). The pair gets its place when it comes to be, in the transaction that makes it;
-- a token carries that place. Nobody else ever gets it: a list is named by the time of its making, in microseconds, and is filled
-- only in the history that has made it, so that after a restore there is a new one.
CREATE TABLE status_list (
    list              bigint PRIMARY KEY,
    next_idx          integer NOT NULL DEFAULT 0,
    system_identifier bigint NOT NULL,      -- the history that has made it
    timeline          integer NOT NULL,
    incarnation       bigint NOT NULL,
    restore_counter   integer NOT NULL
);

CREATE TABLE token_status (
    list          bigint NOT NULL REFERENCES status_list,
    idx           integer NOT NULL,
    credential    text NOT NULL REFERENCES credential,
    credential_id text NOT NULL,
    api_key_id    bigint,
    gone_at       timestamptz,              -- when one of the two was taken away; what is inactive may come back
    PRIMARY KEY (list, idx)
);
CREATE UNIQUE INDEX token_status_once ON token_status (credential, credential_id, api_key_id) NULLS NOT DISTINCT;
CREATE INDEX token_status_gone ON token_status (gone_at) WHERE gone_at IS NOT NULL;

-- How many places a list has; and the program knows as many.
CREATE FUNCTION status_list_size() RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT 32768 $$;

-- Whether places of this list may still be given away. Before the first server has started nobody has restored anything.
CREATE FUNCTION is_filled_now(l status_list) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT l.next_idx < status_list_size()
       AND (l.system_identifier, l.timeline, l.incarnation, l.restore_counter)
         = (n.system_identifier, n.timeline, n.incarnation, coalesce(n.restore_counter, 0))
    FROM authority_now() n
$$;

-- Whether no place of this list is good, and none will be.
CREATE FUNCTION is_over(l status_list) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT is_filled_now(l) AND NOT EXISTS (SELECT 1 FROM token_status s WHERE s.list = l.list)
$$;

-- A program of before cannot read a record with places in it: there are none of them while one is alive.
ALTER TABLE instance ADD reads_statuses boolean NOT NULL DEFAULT false;

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

-- The next place, in the list of now or in a new one. Under 7027, as all of the following: places are given in the order of commits.
CREATE FUNCTION next_token_status(OUT list bigint, OUT idx integer) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE status_list l SET next_idx = l.next_idx + 1
    WHERE l.list = (SELECT max(m.list) FROM status_list m) AND is_filled_now(l)
    RETURNING l.list, l.next_idx - 1 INTO next_token_status.list, next_token_status.idx;
    IF NOT FOUND THEN
        INSERT INTO status_list AS l (list, next_idx, system_identifier, timeline, incarnation, restore_counter)
        SELECT next_epoch(coalesce((SELECT max(m.list) FROM status_list m), 0)), 1,
               n.system_identifier, n.timeline, n.incarnation, coalesce(n.restore_counter, 0)
        FROM authority_now() n
        RETURNING l.list, 0 INTO next_token_status.list, next_token_status.idx;
    END IF;
END $$;

-- Pairs are made of every credential_id that there is in a record, of whatever kind, with every key and with none. New ones get
-- places, and those of which a part is gone are marked for as long as it is. The keys of issuers that are trusted are named likewise,
-- but prove nobody themselves: rules do. Everybody's changes wait meanwhile: one account after the other, in statements that are
-- planned once, and never compiled, which would take a second.
CREATE FUNCTION note_token_statuses(p_credentials text[]) RETURNS void LANGUAGE plpgsql SET jit = off AS $$
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
        CONTINUE WHEN NOT FOUND;
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

-- As in V6, and the places of the pairs. Not where all accounts of a tenant are touched, because it is suspended or is not any
-- more: that changes no pair, and is looked up when a list is made.
DROP FUNCTION append_changes(text[], boolean);
CREATE FUNCTION append_changes(p_credentials text[], p_withdraws boolean DEFAULT false, p_pairs boolean DEFAULT true) RETURNS bigint
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
        receipt_seq = CASE WHEN p_withdraws THEN v_head ELSE receipt_seq END
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
REVOKE ALL ON FUNCTION append_changes(text[], boolean, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION append_changes(text[], boolean, boolean) TO carnet_tenant;

CREATE OR REPLACE FUNCTION append_tenant_changes(p_withdraws boolean) RETURNS bigint
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
    RETURN append_changes(v_credentials, p_withdraws, false);
END $$;

-- All lists, oldest first.
CREATE FUNCTION list_status_lists() RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(list ORDER BY list), '{}') FROM status_list
$$;

-- The places of a list that are good, and the first one of those that are yet to be given away (all are given away where none
-- will be). Nothing where there is no such list.
CREATE FUNCTION read_status_list(p_list bigint, OUT given integer, OUT good integer[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN is_filled_now(l) THEN l.next_idx ELSE status_list_size() END,
           array(SELECT s.idx
                 FROM token_status s
                 JOIN service_account a ON a.client_id = s.credential
                 JOIN tenant t ON t.tsg_id = a.tsg_id
                 LEFT JOIN api_key k ON k.api_key_id = s.api_key_id
                 WHERE s.list = l.list AND s.gone_at IS NULL
                   AND a.enabled AND a.deleted_at IS NULL AND t.status = 'active'
                   AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp()))
    FROM status_list l WHERE l.list = p_list
$$;

-- Forgets pairs that have been gone for longer than any token lives, so many at most; how many. Beside all changes: a row that one
-- of them holds may be about to come back, and is left for the next time.
CREATE FUNCTION prune_token_statuses(p_most integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH old AS (
        SELECT list, idx FROM token_status WHERE gone_at < clock_timestamp() - interval '1 hour'
        ORDER BY gone_at LIMIT p_most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM token_status s USING old WHERE (s.list, s.idx) = (old.list, old.idx) RETURNING 1
    )
    SELECT count(*) FROM gone
$$;

-- Forgets lists of which nothing is left: their places stay bad. One good place keeps a whole list, because tokens name places
-- and so these never move. So there are at most as many lists as there are pairs, and the one that is being filled; a list that few
-- pairs keep costs a row here and eight bytes in a server, and is made when somebody asks for it, from what is left of it.
CREATE FUNCTION prune_status_lists() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM status_list l WHERE is_over(l)) THEN
        PERFORM pg_advisory_xact_lock(7027);
        DELETE FROM status_list l WHERE is_over(l);
    END IF;
END $$;

REVOKE ALL ON FUNCTION list_status_lists(), read_status_list(bigint), prune_token_statuses(integer), prune_status_lists() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION list_status_lists(), read_status_list(bigint), prune_token_statuses(integer), prune_status_lists() TO carnet_engine;
