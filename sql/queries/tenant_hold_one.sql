-- Holds a tenant as it is until the end of the transaction that is about to change it.
SELECT 1 FROM tenant WHERE tsg_id = $1 FOR NO KEY UPDATE
