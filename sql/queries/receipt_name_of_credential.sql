-- The last withdrawal that concerned this credential: what a repeated one waits for.
SELECT r.id, r.seq FROM credential c JOIN receipt r ON r.seq = c.receipt_seq
WHERE c.tsg_id = $1 AND c.credential = $2
