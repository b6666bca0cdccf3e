-- Writes what may change of a key, which its transaction holds, as a new revision. Its end only comes nearer.
UPDATE api_key
SET name = $3, comment = $4, expires_at = $5, revision = revision + 1,
    shortened_at = CASE WHEN expires_at IS DISTINCT FROM $5 THEN clock_timestamp() ELSE shortened_at END
WHERE tsg_id = $1 AND api_key_id = $2
