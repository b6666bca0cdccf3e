-- The first tenant of a tree. Only an operator at the command line makes one.
INSERT INTO tenant (tsg_id, name, path) VALUES ($1, $2, ARRAY[$1])
