-- The last change of the feed that concerns this credential: what a repeated revoke waits for.
SELECT seq FROM credential
WHERE tsg_id = $1 AND credential = $2
