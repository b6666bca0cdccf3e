-- What may change of a product, as the revision after $4: what its keys were made by does not.
UPDATE product SET title = $2, token_lifetime_seconds = $3, revision = revision + 1 WHERE product = $1 AND revision = $4
