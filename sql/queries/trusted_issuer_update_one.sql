-- Writes what may change of an issuer, which its transaction holds, as a new revision; $7 is its generation from now on, if
-- it is another.
UPDATE trusted_issuer
SET name = $3, audience = $4, keys = $5, jwks_uri = $6, generation = coalesce($7, generation), revision = revision + 1
WHERE tsg_id = $1 AND id = $2
