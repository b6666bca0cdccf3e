-- A tenant's own role; none where the tenant has one of this name.
INSERT INTO role (id, tsg_id, name, description)
VALUES ($2, $1, $3, $4)
ON CONFLICT (tsg_id, name) DO NOTHING
