-- Holds a license as it is until the end of the transaction that is about to change it.
SELECT 1 FROM license WHERE tsg_id = $1 AND id = $2 FOR NO KEY UPDATE
