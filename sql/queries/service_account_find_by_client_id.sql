-- The account of a client_id that is not deleted.
SELECT id, tsg_id, name, client_id, description, contact_email, enabled, dpop_bound, created_at, revision
FROM service_account
WHERE tsg_id = $1 AND client_id = $2 AND deleted_at IS NULL
