-- Other public keys of an account, which its transaction has locked, as a new revision.
INSERT INTO client_keys (tsg_id, service_account_id, keys, jwks_uri)
VALUES ($1, $2, $3, $4)
ON CONFLICT (service_account_id) DO UPDATE
SET keys = excluded.keys, jwks_uri = excluded.jwks_uri, revision = client_keys.revision + 1, changed_at = now()
