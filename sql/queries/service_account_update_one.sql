-- Writes what may change of an account, which its transaction has locked, as a new revision.
UPDATE service_account
SET description = $3, contact_email = $4, enabled = $5, dpop_bound = $6, revision = revision + 1
WHERE tsg_id = $1 AND id = $2 AND deleted_at IS NULL
