-- A grant; none where the very same one is there already.
INSERT INTO access_policy (id, tsg_id, principal, role_id, products, target_tsg_id)
VALUES ($2, $1, $3, $4, $5, $6)
ON CONFLICT (principal, role_id, products, target_tsg_id) DO NOTHING
