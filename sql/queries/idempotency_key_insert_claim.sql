-- Claims a key for the request that makes $5. Waits for another transaction that claims the same
-- key; none where the key is taken.
INSERT INTO idempotency_key (tsg_id, caller, key, fingerprint, resource)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tsg_id, caller, key) DO NOTHING
