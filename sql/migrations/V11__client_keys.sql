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
-- of these wait for each other and never in a circle. The slots are worked out first, and each call is planned for them: with a
-- subquery in their place, or a plan of before, it would open and lock all twelve, and wait for who empties one.
CREATE FUNCTION use_once(p_used uuid[], p_ends_at timestamptz[]) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_slots smallint[] := ARRAY(SELECT (minute_of(v_now) + ahead) % 12 FROM generate_series(0, 6) AS ahead);
BEGIN
    RETURN QUERY
    INSERT INTO used_once AS u (slot, used)
    SELECT minute_of(n.ends_at) % 12, n.used
    FROM unnest(p_used, p_ends_at) AS n (used, ends_at)
    WHERE n.ends_at > v_now AND n.ends_at < v_now + interval '6 minutes'
      -- The same name with another end: no replay, but not a name of its own either.
      AND NOT EXISTS (SELECT 1 FROM used_once o WHERE o.used = n.used AND o.slot = ANY (v_slots))
    ORDER BY 1, 2
    ON CONFLICT DO NOTHING
    RETURNING u.used;
END $$;

-- Empties the slots of minutes that ended two to four minutes ago. No use_once opens those, so it waits for nobody and nobody for
-- it; whoever reads the whole table (a backup) makes it give up soon, until the next time.
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
