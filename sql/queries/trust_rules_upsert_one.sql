-- Other rules of an account, which its transaction has locked, as a new revision.
INSERT INTO trust_rules (tsg_id, service_account_id, rules)
VALUES ($1, $2, $3)
ON CONFLICT (service_account_id) DO UPDATE
SET rules = excluded.rules, revision = trust_rules.revision + 1, changed_at = now()
