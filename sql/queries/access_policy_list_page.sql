-- The access policies that were written in a tenant, oldest first, after $2.
SELECT g.id, g.tsg_id, g.principal, r.name AS role, g.products, g.target_tsg_id, g.created_at
FROM access_policy g LEFT JOIN role r ON r.id = g.role_id
WHERE g.tsg_id = $1 AND ($2::uuid IS NULL OR g.id > $2)
ORDER BY g.id
LIMIT $3
