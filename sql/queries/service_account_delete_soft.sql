-- Takes an account out of use for ever; the row stays, so that its client_id is never given again.
UPDATE service_account
SET deleted_at = now(), enabled = false, revision = revision + 1
WHERE tsg_id = $1 AND id = $2 AND deleted_at IS NULL
