-- The nonce of an advanced key may be shown five minutes before or after its timestamp, so it is remembered for ten minutes from
-- the earliest. Twice as many slots as in V11; what is remembered now is put into both that it may be looked for in.
DO $$
BEGIN
    FOR n IN 12..23 LOOP
        EXECUTE format('CREATE TABLE used_once_%s PARTITION OF used_once FOR VALUES IN (%s)', n, n);
        EXECUTE format('CREATE UNIQUE INDEX used_once_%s_used ON used_once_%s (used)', n, n);
    END LOOP;
    LOCK TABLE used_once IN SHARE ROW EXCLUSIVE MODE;
    INSERT INTO used_once SELECT slot + 12, used FROM used_once WHERE slot < 12;
END $$;

CREATE OR REPLACE FUNCTION use_once(p_used uuid[], p_ends_at timestamptz[]) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_slots smallint[] := ARRAY(SELECT (minute_of(v_now) + ahead) % 24 FROM generate_series(0, 11) AS ahead);
BEGIN
    RETURN QUERY
    INSERT INTO used_once AS u (slot, used)
    SELECT minute_of(n.ends_at) % 24, n.used
    FROM unnest(p_used, p_ends_at) AS n (used, ends_at)
    WHERE n.ends_at > v_now AND n.ends_at < v_now + interval '11 minutes'
      -- The same name with another end: no replay, but not a name of its own either.
      AND NOT EXISTS (SELECT 1 FROM used_once o WHERE o.used = n.used AND o.slot = ANY (v_slots))
    ORDER BY 1, 2
    ON CONFLICT DO NOTHING
    RETURNING u.used;
END $$;

CREATE OR REPLACE FUNCTION prune_used_once() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
    v_slot integer;
    v_any boolean;
BEGIN
    FOR ago IN 2..8 LOOP
        v_slot := (minute_of(clock_timestamp()) - ago) % 24;
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM used_once_%s)', v_slot) INTO v_any;
        IF v_any THEN
            EXECUTE format('TRUNCATE used_once_%s', v_slot);
        END IF;
    END LOOP;
END $$;
