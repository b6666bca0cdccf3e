-- The role that a tenant means by a name: no own role has the name of a predefined one.
SELECT r.id, r.tsg_id, r.name, r.description, r.one_access_key, r.created_at,
       ARRAY(SELECT p.permission FROM role_permission p WHERE p.role_id = r.id ORDER BY 1) AS permissions
FROM role r
WHERE (r.tsg_id = $1 OR r.tsg_id IS NULL) AND r.name = $2
