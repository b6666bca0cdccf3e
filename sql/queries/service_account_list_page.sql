-- The service accounts of a tenant that are not deleted, oldest first, after $2.
SELECT id, tsg_id, name, client_id, description, contact_email, enabled, dpop_bound, created_at, revision
FROM service_account
WHERE tsg_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR id > $2)
ORDER BY id
LIMIT $3
