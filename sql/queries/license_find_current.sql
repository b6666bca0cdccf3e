-- The license under which a tenant may use a product now; held as it is, so that a key which is made under it does not
-- outlive it.
SELECT id, tsg_id, product, ends_at, created_at, revision
FROM license
WHERE tsg_id = $1 AND product = $2 AND superseded_at IS NULL AND ends_at > now()
FOR SHARE
