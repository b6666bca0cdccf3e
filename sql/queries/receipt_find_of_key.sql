-- The receipt of the last withdrawal that concerned a key. No token outlives its key.
SELECT r.id, r.seq, r.requested_at, r.effective_everywhere_at, r.bound_at,
       least(r.last_token_expires_at, k.expires_at) AS last_token_expires_at, r.regions
FROM api_key k JOIN receipt_shown r ON r.seq = k.receipt_seq
WHERE k.tsg_id = $1 AND k.api_key_id = $2
