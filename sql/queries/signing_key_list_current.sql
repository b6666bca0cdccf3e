-- The keyring of now: its revision, from which on instances may serve, and the keys that sign or are published. One row
-- without a key when there is none.
SELECT r.revision, k.kid, k.algorithm::text AS algorithm, k.status = 'active' AS active, k.sealed
FROM keyring r LEFT JOIN signing_key k ON k.status IN ('published', 'active')
ORDER BY k.created_at, k.kid
