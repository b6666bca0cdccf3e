-- What the first request with this key was, and what it made.
SELECT fingerprint, resource
FROM idempotency_key
WHERE tsg_id = $1 AND caller = $2 AND key = $3
