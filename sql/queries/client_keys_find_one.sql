-- The public keys of an account, or where they are; none when it never had any.
SELECT keys, jwks_uri, revision FROM client_keys WHERE tsg_id = $1 AND service_account_id = $2
