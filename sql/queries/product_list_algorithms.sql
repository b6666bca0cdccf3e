-- How tokens for each product are signed.
SELECT product, algorithm::text AS algorithm FROM product ORDER BY product
