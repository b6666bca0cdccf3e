-- The catalogue of permissions, by name, after $1.
SELECT permission, description
FROM permission
WHERE $1::text IS NULL OR permission > $1
ORDER BY permission
LIMIT $2
