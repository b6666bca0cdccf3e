-- Withdraws every secret of an account that goes away; they are revoked once every instance has heard.
UPDATE client_secret SET status = 'revoking'
WHERE tsg_id = $1 AND service_account_id = $2 AND status IN ('pending', 'valid')
RETURNING credential_id
