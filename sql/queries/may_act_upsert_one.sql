-- Others who may act for an account, which its transaction has locked, as a new revision.
INSERT INTO may_act (tsg_id, service_account_id, actors)
VALUES ($1, $2, $3)
ON CONFLICT (service_account_id) DO UPDATE
SET actors = excluded.actors, revision = may_act.revision + 1, changed_at = now()
