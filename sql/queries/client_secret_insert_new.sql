-- A new secret of an account, by its hash, perhaps to take the place of another; pending until every region has it.
INSERT INTO client_secret (credential_id, tsg_id, service_account_id, credential, name, pepper, hash, expires_at,
                           replaces)
VALUES ($2, $1, $3, $4, $5, $6, $7, $8, $9)
