-- A new key is published; what stood in the way. See the function.
SELECT publish_signing_key($1, $2, $3, $4) AS refused
