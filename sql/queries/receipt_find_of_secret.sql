-- The receipt of the change that withdrew a secret. No token outlives the secret it was issued for.
SELECT r.id, r.seq, r.requested_at, r.effective_everywhere_at, r.bound_at,
       least(r.last_token_expires_at, s.expires_at) AS last_token_expires_at, r.regions
FROM client_secret s JOIN receipt_shown r ON r.seq = s.revoking_seq
WHERE s.tsg_id = $1 AND s.service_account_id = $2 AND s.credential_id = $3
