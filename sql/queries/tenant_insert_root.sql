-- The first tenant of a tree; the authority's time. Only an operator at the command line makes one.
INSERT INTO tenant (tsg_id, name, path) VALUES ($1, $2, ARRAY[$1])
RETURNING clock_timestamp() AS now
