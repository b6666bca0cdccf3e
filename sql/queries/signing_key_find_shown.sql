-- One signing key.
SELECT kid, algorithm, state, state_changed_at, everywhere_at, awaited, next_step_at, master_key_id, revoke_reason, created_at
FROM signing_key_shown WHERE kid = $1
