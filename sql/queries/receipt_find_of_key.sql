-- The receipt of the last withdrawal that concerned a key. No token outlives its key, unless the key's end was brought
-- forward after the token was issued.
SELECT r.id, r.seq, r.requested_at, r.effective_everywhere_at, r.bound_at, r.regions,
       least(r.last_token_expires_at, CASE WHEN k.shortened_at IS NULL THEN k.expires_at END) AS last_token_expires_at
FROM api_key k JOIN receipt_shown r ON r.seq = k.receipt_seq
WHERE k.tsg_id = $1 AND k.api_key_id = $2
