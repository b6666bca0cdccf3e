-- The roles that a tenant can grant, predefined ones first, then its own, oldest first, after $2.
SELECT r.id, r.tsg_id, r.name, r.description, r.one_access_key, r.created_at,
       ARRAY(SELECT p.permission FROM role_permission p WHERE p.role_id = r.id ORDER BY 1) AS permissions
FROM role r
WHERE (r.tsg_id = $1 OR r.tsg_id IS NULL) AND ($2::uuid IS NULL OR r.id > $2)
ORDER BY r.id
LIMIT $3
