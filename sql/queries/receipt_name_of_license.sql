-- The last withdrawal that concerned the keys of the product $2 that were shortened to end at $3.
SELECT id, seq FROM receipt
WHERE tsg_id = $1 AND seq = (
    SELECT max(receipt_seq) FROM api_key
    WHERE tsg_id = $1 AND product = $2 AND expires_at = $3 AND shortened_at IS NOT NULL)
