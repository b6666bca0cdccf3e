-- Which of these names are no products.
SELECT name FROM unnest($1::text[]) AS name
WHERE NOT EXISTS (SELECT 1 FROM product WHERE product = name)
ORDER BY name
