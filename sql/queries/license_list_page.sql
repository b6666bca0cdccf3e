-- The licenses of a tenant, current and past, oldest first, after $2.
SELECT id, tsg_id, product, ends_at, created_at, revision
FROM license
WHERE tsg_id = $1 AND ($2::uuid IS NULL OR id > $2)
ORDER BY id
LIMIT $3
