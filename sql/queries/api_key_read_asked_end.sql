-- When a key would end but for its license.
SELECT asked_expires_at FROM api_key WHERE tsg_id = $1 AND api_key_id = $2
