-- One product with its key policy.
SELECT * FROM product_shown WHERE product = $1
