-- The accounts that trust an issuer, whose rules stay as they are until the end of the transaction.
SELECT a.client_id, a.id
FROM trust_rules t JOIN service_account a ON a.id = t.service_account_id
WHERE t.tsg_id = $1 AND t.rules @> jsonb_build_array(jsonb_build_object('issuer_id', $2::uuid))
ORDER BY a.id
FOR UPDATE OF t
