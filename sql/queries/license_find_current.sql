-- The license under which a tenant may use a product now.
SELECT id, tsg_id, product, ends_at, created_at
FROM license
WHERE tsg_id = $1 AND product = $2 AND superseded_at IS NULL AND ends_at > now()
