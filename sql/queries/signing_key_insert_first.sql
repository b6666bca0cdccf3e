-- The first key of an algorithm signs at once: nobody has cached a JWKS without it. When two instances
-- start together, the first to commit wins.
INSERT INTO signing_key (kid, algorithm, status, sealed)
VALUES ($1, $2::text::signing_algorithm, 'active', $3)
ON CONFLICT DO NOTHING
