-- One issuer that a tenant trusts.
SELECT id, tsg_id, name, issuer, kind::text AS kind, audience, keys, jwks_uri, revision, created_at
FROM trusted_issuer
WHERE tsg_id = $1 AND id = $2
