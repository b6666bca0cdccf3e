-- Expired keys give up their slots to the next key of the product or the account.
UPDATE api_key SET slot = NULL
WHERE tsg_id = $1 AND slot IS NOT NULL AND (slot = ANY ($2) OR service_account_id = $3)
  AND status IN ('valid', 'inactive') AND expires_at <= now()
