-- The master keys that there were, and what each is still needed for.
SELECT id, signing_keys, client_secrets FROM master_key_shown ORDER BY id
