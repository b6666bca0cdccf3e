-- Takes back all that was granted to an account that goes away.
DELETE FROM access_policy
WHERE tsg_id = $1 AND principal = $2
RETURNING id
