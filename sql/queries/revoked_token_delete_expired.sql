-- Forgets the tokens of an account that have expired by everybody's clock; in a transaction that touches its record.
DELETE FROM revoked_token
WHERE tsg_id = $1 AND credential = $2 AND expires_at <= clock_timestamp() - interval '1 minute'
