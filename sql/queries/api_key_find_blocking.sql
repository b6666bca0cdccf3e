-- What stands in the way of a new key for this product and this account.
SELECT coalesce(bool_or(status = 'unmigrated' AND product = $2), false) AS unmigrated,
       coalesce(bool_or(slot = $2), false) AS active,
       coalesce(bool_or(service_account_id = $3 AND slot IS NOT NULL), false) AS bound
FROM api_key
WHERE tsg_id = $1
