-- The products, by name, after $1.
SELECT * FROM product_shown
WHERE $1::text IS NULL OR product > $1
ORDER BY product
LIMIT $2
