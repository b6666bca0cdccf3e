-- A new key, pending until every region has it. The unique indexes on slot, account, name and successor are what
-- decides between two that are made at once.
INSERT INTO api_key (api_key_id, tsg_id, product, name, status, slot, service_account_id, credential, comment, expires_at,
                     created_by, name_is_unique, role_id, security_level, pepper, hash, sealed, asked_expires_at, replaces,
                     overlap_seconds)
VALUES ($2, $1, $3, $4, 'pending', $5, $6, $7, $8, $9, $10, $11, $12, ($13::jsonb #>> '{}')::security_level, $14, $15, $16, $17,
        $18, $19)
