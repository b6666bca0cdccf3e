-- Takes a token back.
INSERT INTO revoked_token (tsg_id, credential, token, expires_at) VALUES ($1, $2, $3, $4)
