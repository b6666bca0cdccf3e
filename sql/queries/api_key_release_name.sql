-- Expired keys give up their slots, and so their names, to the next key of that name.
UPDATE api_key SET slot = NULL
WHERE tsg_id = $1 AND product = $2 AND name = $3 AND name_is_unique AND slot IS NOT NULL
  AND status IN ('valid', 'inactive') AND expires_at <= now()
