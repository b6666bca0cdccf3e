-- Holds an issuer until the end of the transaction: no rule begins to name it meanwhile.
SELECT 1 FROM trusted_issuer WHERE tsg_id = $1 AND id = $2 FOR UPDATE
