-- The last withdrawal that concerned any account of a tenant: what a repeated one waits for.
SELECT id, seq FROM receipt
WHERE tsg_id = $1 AND seq = (SELECT max(receipt_seq) FROM credential WHERE tsg_id = $1)
