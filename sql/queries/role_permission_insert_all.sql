-- What a new role consists of.
INSERT INTO role_permission (role_id, tsg_id, permission)
SELECT $2, $1, unnest($3::text[])
