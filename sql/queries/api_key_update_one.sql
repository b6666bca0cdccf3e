-- Writes what may change of a key, which its transaction holds, as a new revision.
UPDATE api_key
SET name = $3, comment = $4, expires_at = $5, asked_expires_at = $6, revision = revision + 1,
    shortened_at = CASE WHEN $5 < coalesce(expires_at, 'infinity') THEN clock_timestamp() ELSE shortened_at END
WHERE tsg_id = $1 AND api_key_id = $2
