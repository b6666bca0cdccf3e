-- A new tenant below $1: its line from the root is its parent's and itself.
INSERT INTO tenant (tsg_id, name, parent_tsg_id, path)
SELECT $2, $3, tsg_id, path || $2::text FROM tenant WHERE tsg_id = $1
