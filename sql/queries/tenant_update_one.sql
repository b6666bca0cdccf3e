-- Writes what may change of a tenant, which its transaction holds, as a new revision.
UPDATE tenant SET name = $2, status = $3::text::tenant_status, revision = revision + 1 WHERE tsg_id = $1
