-- One API key, as it is shown.
SELECT * FROM api_key_shown WHERE tsg_id = $1 AND api_key_id = $2
