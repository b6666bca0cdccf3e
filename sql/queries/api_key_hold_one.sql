-- Holds a key as it is until the end of the transaction that is about to change it.
SELECT 1 FROM api_key WHERE tsg_id = $1 AND api_key_id = $2 FOR NO KEY UPDATE
