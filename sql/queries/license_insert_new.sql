-- A tenant's license for a product; none where there is a current one already.
INSERT INTO license (id, tsg_id, product, ends_at)
VALUES ($2, $1, $3, $4)
ON CONFLICT (tsg_id, product) WHERE superseded_at IS NULL DO NOTHING
