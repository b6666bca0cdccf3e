-- How many secrets of an account may authenticate, now or as soon as every region has them.
SELECT count(*) FROM client_secret
WHERE tsg_id = $1 AND service_account_id = $2 AND status IN ('pending', 'valid')
  AND (expires_at IS NULL OR expires_at > now())
