-- Who may act for whom (RFC 8693): the accounts that may exchange an account's tokens for delegated ones.

-- Nothing of it is ever pending. The row stays when there is nobody any more: a revision is never counted twice.
CREATE TABLE may_act (
    service_account_id uuid PRIMARY KEY,
    tsg_id     text NOT NULL REFERENCES tenant,
    actors     text[] NOT NULL,             -- client_ids of the same tenant, sorted
    revision   integer NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tsg_id, service_account_id) REFERENCES service_account (tsg_id, id)
);
ALTER TABLE may_act ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON may_act TO carnet_tenant USING (tsg_id = current_tsg()) WITH CHECK (tsg_id = current_tsg());
GRANT SELECT, INSERT, UPDATE ON may_act TO carnet_tenant;
