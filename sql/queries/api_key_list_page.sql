-- The API keys of a tenant for these products, dead ones included, oldest first, after $3, as they are shown.
SELECT * FROM api_key_shown
WHERE tsg_id = $1 AND product = ANY ($2) AND ($3::bigint IS NULL OR api_key_id > $3)
ORDER BY api_key_id
LIMIT $4
