-- The receipt of one change of a tenant.
SELECT id, seq, requested_at, effective_everywhere_at, bound_at, last_token_expires_at, regions
FROM receipt_shown WHERE tsg_id = $1 AND seq = $2
