-- Withdraws a secret; it is revoked once every instance has heard. What is over stays as it is.
UPDATE client_secret SET status = 'revoking'
WHERE tsg_id = $1 AND credential_id = $2 AND status IN ('pending', 'valid')
