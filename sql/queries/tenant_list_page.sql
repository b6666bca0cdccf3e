-- A tenant and all below it, by tsg_id, after $2.
SELECT tsg_id, name, parent_tsg_id, status::text AS status, created_at, revision
FROM tenant
WHERE $1 = ANY (path) AND ($2::text IS NULL OR tsg_id > $2)
ORDER BY tsg_id
LIMIT $3
