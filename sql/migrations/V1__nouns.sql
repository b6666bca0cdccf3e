-- The nouns of DESIGN: who may use what. Every row that belongs to a tenant says so in tsg_id,
-- on which V3 builds the row-level security.

CREATE TYPE tenant_status AS ENUM (
    'active',     -- its accounts may authenticate
    'suspended'   -- none of its accounts may; nothing is lost
);

CREATE TYPE signing_algorithm AS ENUM (
    'RS256',      -- every verifier in the field accepts it: the default
    'ES256',      -- for an audience that controls its verifiers
    'EdDSA'       -- likewise; the fastest to sign
);

CREATE TYPE key_style AS ENUM (
    'bound_service_account'   -- presented as a JWT of the one service account it is bound to
);

CREATE TYPE secret_status AS ENUM (
    'pending',    -- in the authority, not yet in every region: never authenticates
    'valid',      -- in every required region
    'revoking',   -- refused by whoever has heard; some instance may not have heard yet
    'revoked'     -- refused everywhere; for ever
);

CREATE TYPE key_status AS ENUM (
    'unmigrated', -- imported from an older system; works in its old form, blocks new keys of its type
    'pending',    -- in the authority, not yet in every region: never authenticates
    'valid',      -- in every required region
    'inactive',   -- switched off by its owner; may be activated again
    'revoking',   -- refused by whoever has heard; visible until every instance has
    'revoked'     -- refused everywhere; for ever
    -- 'expired' is not written: it is 'valid' or 'inactive' past expires_at, by this server's clock
);

-- An organisation: a Tenant Service Group. Tenants form a tree whose shape never changes.
CREATE TABLE tenant (
    tsg_id        text PRIMARY KEY CHECK (tsg_id ~ '^[1-9][0-9]{9}$'),
    name          text NOT NULL,
    parent_tsg_id text REFERENCES tenant,
    path          text[] NOT NULL,              -- the root's tsg_id first, its own last
    status        tenant_status NOT NULL DEFAULT 'active',
    created_at    timestamptz NOT NULL DEFAULT now(),
    CHECK (path[cardinality(path)] = tsg_id)
);
CREATE INDEX tenant_path ON tenant USING gin (path);

-- Something that is licensed and has an API. Data, not code: its key policy is these columns.
CREATE TABLE product (
    product                text PRIMARY KEY CHECK (product ~ '^[a-z][a-z0-9_]{1,62}$'),
    title                  text NOT NULL,
    audience               text NOT NULL UNIQUE,   -- the URI that names its API (RFC 8707 §2)
    algorithm              signing_algorithm NOT NULL DEFAULT 'RS256',
    token_lifetime_seconds integer NOT NULL DEFAULT 900 CHECK (token_lifetime_seconds BETWEEN 60 AND 900),
    key_style              key_style NOT NULL,
    one_active_per_tenant  boolean NOT NULL,
    requires_all_apps      boolean NOT NULL,       -- the owner needs an access policy for all apps
    required_permissions   text[] NOT NULL,        -- … with a role that holds all of these
    expires_with_license   boolean NOT NULL
);

-- The right of a tenant to use a product until a date. One that has ended makes room for the next.
CREATE TABLE license (
    id            uuid PRIMARY KEY,
    tsg_id        text NOT NULL REFERENCES tenant,
    product       text NOT NULL REFERENCES product,
    ends_at       timestamptz NOT NULL,
    superseded_at timestamptz,              -- when, after its end, another took its place
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX license_one_per_product ON license (tsg_id, product) WHERE superseded_at IS NULL;
CREATE INDEX license_tenant ON license (tsg_id, id);

-- What regions cache, as one record: everything that the hot path needs to know of one caller.
-- For a service account it is named by the client_id. The record itself is the view in V2.
CREATE TABLE credential (
    credential text PRIMARY KEY,
    tsg_id     text NOT NULL REFERENCES tenant,
    version    bigint NOT NULL DEFAULT 0,   -- raised by every change of the record, never lowered
    seq        bigint NOT NULL DEFAULT 0,   -- the last change that raised it
    UNIQUE (tsg_id, credential)             -- what refers to it is of the same tenant
);

CREATE TABLE service_account (
    id            uuid PRIMARY KEY,
    tsg_id        text NOT NULL REFERENCES tenant,
    name          text NOT NULL,
    client_id     text NOT NULL UNIQUE,
    description   text,
    contact_email text,
    enabled       boolean NOT NULL DEFAULT true,
    deleted_at    timestamptz,              -- the row stays: a client_id is never given twice
    created_at    timestamptz NOT NULL DEFAULT now(),
    created_by    text NOT NULL,
    revision      integer NOT NULL DEFAULT 1,
    UNIQUE (tsg_id, id),
    FOREIGN KEY (tsg_id, client_id) REFERENCES credential (tsg_id, credential)
);

-- One of an account's secrets. Its id is the public part of the secret.
CREATE TABLE client_secret (
    credential_id      text PRIMARY KEY CHECK (credential_id ~ '^[0-9A-Za-z]{16}$'),
    tsg_id             text NOT NULL REFERENCES tenant,
    service_account_id uuid NOT NULL,
    credential         text NOT NULL,
    name               text NOT NULL,
    status             secret_status NOT NULL DEFAULT 'pending',
    pepper             text NOT NULL,       -- the id of the master key whose pepper made the hash
    hash               bytea NOT NULL CHECK (octet_length(hash) = 32),
    expires_at         timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    revoking_seq       bigint,              -- the change that tells of its revocation
    FOREIGN KEY (tsg_id, service_account_id) REFERENCES service_account (tsg_id, id),
    FOREIGN KEY (tsg_id, credential) REFERENCES credential (tsg_id, credential)
);
CREATE INDEX client_secret_account ON client_secret (service_account_id);
CREATE INDEX client_secret_unsettled ON client_secret (credential) WHERE status IN ('pending', 'revoking');

CREATE TABLE permission (
    permission  text PRIMARY KEY,
    description text NOT NULL
);

-- A set of permissions: predefined (no tenant) or a tenant's own.
CREATE TABLE role (
    id          uuid PRIMARY KEY,
    tsg_id      text REFERENCES tenant,
    name        text NOT NULL,
    description text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT role_name_once UNIQUE NULLS NOT DISTINCT (tsg_id, name)
);

CREATE TABLE role_permission (
    role_id    uuid NOT NULL REFERENCES role ON DELETE CASCADE,
    tsg_id     text REFERENCES tenant,      -- its role's, for row-level security
    permission text NOT NULL REFERENCES permission,
    PRIMARY KEY (role_id, permission)
);

-- principal × role × where: all apps or some products; this tenant or a descendant, and all below it.
CREATE TABLE access_policy (
    id            uuid PRIMARY KEY,
    tsg_id        text NOT NULL REFERENCES tenant,
    principal     text NOT NULL,
    role_id       uuid REFERENCES role,     -- none: access without a right, only where asked for by name
    products      text[],                   -- none: all apps and services
    target_tsg_id text NOT NULL REFERENCES tenant,
    created_at    timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tsg_id, principal) REFERENCES credential (tsg_id, credential),
    CONSTRAINT access_policy_once UNIQUE NULLS NOT DISTINCT (principal, role_id, products, target_tsg_id)
);
CREATE INDEX access_policy_tenant ON access_policy (tsg_id, id);

-- What a tenant creates to use a product. The slot is the licence type that the key occupies while it
-- counts as active; giving up the slot (revoked, or expired and replaced) makes room for the next.
CREATE TABLE api_key (
    api_key_id         bigint PRIMARY KEY CHECK (api_key_id > 0),
    tsg_id             text NOT NULL REFERENCES tenant,
    product            text NOT NULL REFERENCES product,
    name               text,
    status             key_status NOT NULL,
    slot               text,
    service_account_id uuid,
    credential         text,                -- whose record carries this key
    comment            text,
    expires_at         timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    created_by         text NOT NULL,
    status_changed_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at         timestamptz,
    revoked_by         text,
    revoke_reason      text,
    revoking_seq       bigint,              -- the change that tells of its revocation
    FOREIGN KEY (tsg_id, service_account_id) REFERENCES service_account (tsg_id, id),
    FOREIGN KEY (tsg_id, credential) REFERENCES credential (tsg_id, credential)
);
CREATE UNIQUE INDEX api_key_one_per_slot ON api_key (tsg_id, slot) WHERE slot IS NOT NULL;
CREATE UNIQUE INDEX api_key_one_per_account ON api_key (service_account_id) WHERE slot IS NOT NULL;
CREATE INDEX api_key_tenant ON api_key (tsg_id, api_key_id);
CREATE INDEX api_key_credential ON api_key (credential);
CREATE INDEX api_key_unsettled ON api_key (credential) WHERE status IN ('pending', 'revoking');

-- Who did what, written in the transaction of the change. Inserted, never updated.
CREATE TABLE audit_event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tsg_id      text NOT NULL REFERENCES tenant,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor       text NOT NULL,              -- a client_id, or 'carnet' for what the service does itself
    action      text NOT NULL,              -- noun.verb: api_key.revoke
    target      text NOT NULL,              -- the id of what was changed
    details     jsonb NOT NULL DEFAULT '{}' -- never a secret
);
CREATE INDEX audit_event_tenant ON audit_event (tsg_id, id);

-- A POST that may be repeated: what it made, so that a replay can show that again (without secrets).
CREATE TABLE idempotency_key (
    tsg_id      text NOT NULL REFERENCES tenant,
    caller      text NOT NULL,
    key         text NOT NULL,
    fingerprint bytea NOT NULL,             -- of path and body: the same key with another request is refused
    resource    text NOT NULL,              -- the id of what was made
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tsg_id, caller, key)
);
CREATE INDEX idempotency_key_age ON idempotency_key (created_at);

CREATE TYPE signing_key_status AS ENUM (
    'published',  -- in the JWKS; not signing yet
    'active',     -- in the JWKS and signing: one per algorithm
    'retired'     -- neither
);

CREATE TABLE signing_key (
    kid        text PRIMARY KEY,            -- RFC 7638 thumbprint
    algorithm  signing_algorithm NOT NULL,
    status     signing_key_status NOT NULL,
    sealed     bytea NOT NULL,              -- PKCS#8, AES-256-GCM under a master key, bound to kid
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX signing_key_one_active ON signing_key (algorithm) WHERE status = 'active';
