-- What stands in the way of a new key: an unmigrated one of the product $3, some in the slots $2, one that is bound to the
-- account $4.
SELECT coalesce(bool_or(status = 'unmigrated' AND product = $3), false) AS unmigrated,
       coalesce(array_agg(slot) FILTER (WHERE slot = ANY ($2)), '{}') AS slots,
       coalesce(bool_or(service_account_id = $4 AND slot IS NOT NULL), false) AS bound
FROM api_key
WHERE tsg_id = $1 AND (slot = ANY ($2) OR service_account_id = $4 OR status = 'unmigrated' AND product = $3)
