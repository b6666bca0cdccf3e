-- The products, by name, after $1.
SELECT product, title, audience, algorithm::text AS algorithm, token_lifetime_seconds,
       key_style::text AS key_style, one_active_per_tenant, requires_all_apps,
       required_permissions, expires_with_license
FROM product
WHERE $1::text IS NULL OR product > $1
ORDER BY product
LIMIT $2
