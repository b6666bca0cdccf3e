-- One license of a tenant, current or past.
SELECT id, tsg_id, product, ends_at, created_at, revision
FROM license
WHERE tsg_id = $1 AND id = $2
