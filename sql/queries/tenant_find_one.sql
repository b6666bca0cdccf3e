-- One tenant, if it is $1 itself or below it.
SELECT tsg_id, name, parent_tsg_id, status::text AS status, created_at, revision
FROM tenant
WHERE $1 = ANY (path) AND tsg_id = $2
