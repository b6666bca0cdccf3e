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
