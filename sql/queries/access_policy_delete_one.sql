-- Takes one grant back.
DELETE FROM access_policy
WHERE tsg_id = $1 AND id = $2
