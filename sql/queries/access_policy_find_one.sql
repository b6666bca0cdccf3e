-- One access policy that was written in this tenant.
SELECT g.id, g.tsg_id, g.principal, r.name AS role, g.products, g.target_tsg_id, g.created_at
FROM access_policy g LEFT JOIN role r ON r.id = g.role_id
WHERE g.tsg_id = $1 AND g.id = $2
