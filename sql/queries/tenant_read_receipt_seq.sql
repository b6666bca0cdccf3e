-- The last withdrawal that concerned any account of a tenant: what a repeated one waits for.
SELECT max(receipt_seq) FROM credential WHERE tsg_id = $1
