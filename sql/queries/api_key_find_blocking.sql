-- What stands in the way of a new key: an unmigrated one of the product $3, one in the slot $2, one
-- that is bound to the account $4.
SELECT coalesce(bool_or(status = 'unmigrated' AND product = $3), false) AS unmigrated,
       coalesce(bool_or(slot = $2), false) AS active,
       coalesce(bool_or(service_account_id = $4 AND slot IS NOT NULL), false) AS bound
FROM api_key
WHERE tsg_id = $1
