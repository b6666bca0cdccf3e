-- The issuers that a tenant trusts, oldest first, after $2.
SELECT id, tsg_id, name, issuer, kind::text AS kind, audience, keys, jwks_uri, revision, created_at
FROM trusted_issuer
WHERE tsg_id = $1 AND ($2::uuid IS NULL OR id > $2)
ORDER BY id
LIMIT $3
