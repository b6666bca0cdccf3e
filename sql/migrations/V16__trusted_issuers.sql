-- Workloads that prove themselves by what another issuer says of them (RFC 7523): issuers that a tenant trusts, and which of
-- their tokens are an account's.

CREATE TYPE trusted_issuer_kind AS ENUM (
    'kubernetes',      -- projected tokens of service accounts
    'github_actions',  -- of jobs
    'google',          -- ID tokens of service accounts
    'aws',             -- outbound identity federation
    'azure',           -- app-only tokens
    'spiffe',          -- JWT-SVIDs
    'generic'          -- others that are for workloads
);

-- Its keys are here, or at jwks_uri, or, with neither, where its discovery document says.
CREATE TABLE trusted_issuer (
    id         uuid PRIMARY KEY,
    tsg_id     text NOT NULL REFERENCES tenant,
    name       text NOT NULL,
    issuer     text NOT NULL,               -- iss, byte for byte; spiffe://<trust domain>
    kind       trusted_issuer_kind NOT NULL,
    audience   text,                        -- what its tokens must be for; Carnet's issuer unless told
    keys       jsonb NOT NULL DEFAULT '[]', -- [{credential_id, kid, alg, key: {kty, …}}], public members only
    jwks_uri   text,
    generation uuid NOT NULL,               -- another one when something is taken away from what it may say
    revision   integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tsg_id, id),
    CONSTRAINT trusted_issuer_once UNIQUE (tsg_id, issuer),
    CHECK (jwks_uri IS NULL OR keys = '[]')
);

-- The rules of an account, by which it lets workloads in. They name issuers of the same tenant: whoever takes an issuer away
-- takes the rules along. Nothing of it is ever pending. The row stays when there are none any more: a revision is never
-- counted twice.
CREATE TABLE trust_rules (
    service_account_id uuid PRIMARY KEY,
    tsg_id     text NOT NULL REFERENCES tenant,
    rules      jsonb NOT NULL,              -- [{issuer_id, claims: [{claim, equals|prefix|glob}]}]
    revision   integer NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tsg_id, service_account_id) REFERENCES service_account (tsg_id, id)
);
CREATE INDEX trust_rules_tenant ON trust_rules (tsg_id) WHERE rules <> '[]';

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['trusted_issuer', 'trust_rules'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own ON %I TO carnet_tenant
                        USING (tsg_id = current_tsg()) WITH CHECK (tsg_id = current_tsg())', t);
    END LOOP;
END $$;
GRANT SELECT, INSERT, DELETE ON trusted_issuer TO carnet_tenant;
GRANT UPDATE (name, audience, keys, jwks_uri, generation, revision) ON trusted_issuer TO carnet_tenant;
GRANT SELECT, INSERT ON trust_rules TO carnet_tenant;
GRANT UPDATE (rules, revision, changed_at) ON trust_rules TO carnet_tenant;

-- What a token that was got by a rule names it by. Another one when the rule says something else, or its issuer vouches by
-- less than before.
CREATE FUNCTION trust_credential_id(p_generation uuid, p_claims jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'fed:' || rtrim(translate(
        encode(sha256(convert_to(p_generation::text || p_claims::text, 'UTF8')), 'base64'), '+/', '-_'), '=')
$$;

-- The rules one by one, with their issuers: for the record and for caller_rights, and to be read by nobody else.
CREATE VIEW trust_rule_of_all AS
SELECT t.service_account_id, t.tsg_id, r.place, trust_credential_id(i.generation, r.rule -> 'claims') AS credential_id,
       r.rule -> 'claims' AS claims, i.id AS issuer_id, i.issuer, i.kind, i.audience, i.keys, i.jwks_uri
FROM trust_rules t
CROSS JOIN LATERAL jsonb_array_elements(t.rules) WITH ORDINALITY r (rule, place)
JOIN trusted_issuer i ON i.tsg_id = t.tsg_id AND i.id = (r.rule ->> 'issuer_id')::uuid;
