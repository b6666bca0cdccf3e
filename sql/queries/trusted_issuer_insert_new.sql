-- An issuer that a tenant trusts from now on; none where it trusts that one already.
INSERT INTO trusted_issuer (tsg_id, id, name, issuer, kind, audience, keys, jwks_uri, generation)
VALUES ($1, $2, $3, $4, $5::text::trusted_issuer_kind, $6, $7, $8, $2)
ON CONFLICT (tsg_id, issuer) DO NOTHING
