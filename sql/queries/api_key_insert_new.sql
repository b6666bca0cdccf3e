-- A new key, pending until every region has it. The unique indexes on slot and account are what
-- decides between two that are made at once.
INSERT INTO api_key (api_key_id, tsg_id, product, name, status, slot, service_account_id, credential,
                     comment, expires_at, created_by)
VALUES ($2, $1, $3, $4, 'pending', $5, $6, $7, $8, $9, $10)
