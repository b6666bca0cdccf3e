-- The last withdrawal that concerned this credential: what a repeated one waits for.
SELECT receipt_seq FROM credential
WHERE tsg_id = $1 AND credential = $2
