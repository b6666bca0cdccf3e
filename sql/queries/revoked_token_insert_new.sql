-- Takes a token back.
INSERT INTO revoked_token (tsg_id, credential, token, expires_at, by_actor) VALUES ($1, $2, $3, $4, $5)
