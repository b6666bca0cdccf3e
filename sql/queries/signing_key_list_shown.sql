-- Signing keys by name: all after $1, at most $2.
SELECT kid, algorithm, state, state_changed_at, everywhere_at, awaited, next_step_at, master_key_id, revoke_reason, created_at
FROM signing_key_shown
WHERE $1::text IS NULL OR kid COLLATE "C" > $1 COLLATE "C"
ORDER BY kid COLLATE "C" LIMIT $2
