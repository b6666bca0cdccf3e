-- When and from where each proof was last used, how many tokens each tenant has got, and how many it may get.

-- Since when uses are written down: of what was before, nobody knows.
CREATE TABLE use_known_since (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    at  timestamptz NOT NULL DEFAULT now()
);
INSERT INTO use_known_since DEFAULT VALUES;
GRANT SELECT ON use_known_since TO carnet_tenant;

-- The last time that each proof got a token: a secret by its public id, a key by jkt: or jku:. Rewritten all the time, so there
-- is room on each page for that.
CREATE TABLE credential_use (
    service_account_id uuid NOT NULL,
    credential_id      text NOT NULL,
    tsg_id             text NOT NULL REFERENCES tenant,
    last_used_at       timestamptz NOT NULL,
    last_used_address  inet,                -- of the client; none where nobody knows
    PRIMARY KEY (service_account_id, credential_id),
    FOREIGN KEY (tsg_id, service_account_id) REFERENCES service_account (tsg_id, id)
) WITH (fillfactor = 70);

-- Tokens that the accounts of a tenant have got on a day, UTC.
CREATE TABLE token_count (
    tsg_id text NOT NULL REFERENCES tenant,
    day    date NOT NULL,
    tokens bigint NOT NULL,
    PRIMARY KEY (tsg_id, day)
) WITH (fillfactor = 70);

CREATE TYPE quota_mode AS ENUM (
    'observe',    -- what exceeds it is served, and reported
    'enforce'     -- what exceeds it is refused
);

-- How many tokens a tenant may get. The row stays when that is any number: a revision is never counted twice.
CREATE TABLE token_quota (
    tsg_id           text PRIMARY KEY REFERENCES tenant,
    mode             quota_mode NOT NULL,
    tokens_per_day   bigint CHECK (tokens_per_day >= 0),
    tokens_per_month bigint CHECK (tokens_per_month >= 0),
    revision         integer NOT NULL DEFAULT 1,
    changed_at       timestamptz NOT NULL DEFAULT now()
);

-- Clients that seem to get a token for each of their requests.
CREATE TABLE token_per_request (
    service_account_id uuid PRIMARY KEY,
    tsg_id             text NOT NULL REFERENCES tenant,
    since              timestamptz NOT NULL,
    last_seen_at       timestamptz NOT NULL,
    tokens_per_minute  integer NOT NULL,    -- from one address, in the last such minute
    FOREIGN KEY (tsg_id, service_account_id) REFERENCES service_account (tsg_id, id)
);

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['credential_use', 'token_count', 'token_quota', 'token_per_request'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own ON %I TO carnet_tenant
                        USING (tsg_id = current_tsg()) WITH CHECK (tsg_id = current_tsg())', t);
    END LOOP;
END $$;
GRANT SELECT ON credential_use, token_count, token_quota, token_per_request TO carnet_tenant;
GRANT INSERT, UPDATE ON token_quota TO carnet_tenant;

-- The number of the last batch of each instance: one whose answer was lost is sent again, and counted once.
CREATE TABLE usage_batch (
    instance uuid PRIMARY KEY,
    number   bigint NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);

-- Writes a batch of an instance, unless it was written before. A use never makes way for an earlier one. In one order always, so
-- that two of these wait for each other and never in a circle.
CREATE FUNCTION record_usage(
    p_instance uuid, p_number bigint,
    p_accounts uuid[], p_credential_ids text[], p_used_at timestamptz[], p_addresses inet[],
    p_tenants text[], p_days date[], p_tokens bigint[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO usage_batch AS b (instance, number) VALUES (p_instance, p_number)
    ON CONFLICT (instance) DO UPDATE SET number = excluded.number, at = now() WHERE b.number < excluded.number;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO credential_use AS u (service_account_id, credential_id, tsg_id, last_used_at, last_used_address)
    SELECT a.id, n.credential_id, a.tsg_id, n.used_at, n.address
    FROM unnest(p_accounts, p_credential_ids, p_used_at, p_addresses) AS n (account, credential_id, used_at, address)
    JOIN service_account a ON a.id = n.account
    ORDER BY 1, 2
    ON CONFLICT (service_account_id, credential_id) DO UPDATE
    SET last_used_at = excluded.last_used_at, last_used_address = excluded.last_used_address
    WHERE u.last_used_at < excluded.last_used_at;
    INSERT INTO token_count AS c (tsg_id, day, tokens)
    SELECT t.tsg_id, n.day, n.tokens
    FROM unnest(p_tenants, p_days, p_tokens) AS n (tsg_id, day, tokens)
    JOIN tenant t ON t.tsg_id = n.tsg_id
    ORDER BY 1, 2
    ON CONFLICT (tsg_id, day) DO UPDATE SET tokens = c.tokens + excluded.tokens;
    RETURN true;
END $$;

-- Writes which clients were seen to get a token for each request, and tells the names of those that were not seen so in the hour
-- before.
CREATE FUNCTION record_token_per_request(p_accounts uuid[], p_seen_at timestamptz[], p_per_minute integer[]) RETURNS SETOF text
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH written AS (
        INSERT INTO token_per_request AS r (service_account_id, tsg_id, since, last_seen_at, tokens_per_minute)
        SELECT a.id, a.tsg_id, n.seen_at, n.seen_at, n.per_minute
        FROM unnest(p_accounts, p_seen_at, p_per_minute) AS n (account, seen_at, per_minute)
        JOIN service_account a ON a.id = n.account
        ORDER BY 1
        ON CONFLICT (service_account_id) DO UPDATE SET
            since = CASE WHEN r.last_seen_at < excluded.last_seen_at - interval '1 hour' THEN excluded.since ELSE r.since END,
            last_seen_at = greatest(r.last_seen_at, excluded.last_seen_at),
            tokens_per_minute = excluded.tokens_per_minute
        RETURNING service_account_id, since = last_seen_at AS begins
    )
    SELECT a.client_id FROM written w JOIN service_account a ON a.id = w.service_account_id WHERE w.begins
$$;

-- The quotas, those that are nearest to their end first, and what has been got of each.
CREATE FUNCTION watched_quotas(p_most integer)
RETURNS TABLE (tsg_id text, mode text, tokens_per_day bigint, tokens_per_month bigint,
               tokens_today bigint, tokens_this_month bigint, day date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT q.tsg_id, q.mode::text, q.tokens_per_day, q.tokens_per_month, c.today, c.this_month, today.day
    FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS day) today
    CROSS JOIN token_quota q
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(tokens) FILTER (WHERE n.day = today.day), 0)::bigint AS today,
               coalesce(sum(tokens), 0)::bigint AS this_month
        FROM token_count n
        WHERE n.tsg_id = q.tsg_id AND n.day BETWEEN date_trunc('month', today.day)::date AND today.day) c
    WHERE q.tokens_per_day IS NOT NULL OR q.tokens_per_month IS NOT NULL
    ORDER BY greatest(c.today / (q.tokens_per_day + 1)::float8, c.this_month / (q.tokens_per_month + 1)::float8) DESC
    LIMIT p_most
$$;

-- Forgets what nobody is shown any more.
CREATE FUNCTION prune_usage() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM token_count WHERE day < now() - interval '400 days';
    DELETE FROM usage_batch WHERE at < now() - interval '7 days';
    DELETE FROM token_per_request WHERE last_seen_at < now() - interval '7 days';
    -- A secret's row stays in sight for ever; a key's goes with it.
    DELETE FROM credential_use u
    WHERE u.last_used_at < now() - interval '400 days'
      AND NOT EXISTS (SELECT 1 FROM client_secret s WHERE s.credential_id = u.credential_id)
$$;

REVOKE ALL ON FUNCTION record_usage(uuid, bigint, uuid[], text[], timestamptz[], inet[], text[], date[], bigint[]),
    record_token_per_request(uuid[], timestamptz[], integer[]), watched_quotas(integer), prune_usage() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_usage(uuid, bigint, uuid[], text[], timestamptz[], inet[], text[], date[], bigint[]),
    record_token_per_request(uuid[], timestamptz[], integer[]), watched_quotas(integer), prune_usage() TO carnet_engine;
