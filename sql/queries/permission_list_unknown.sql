-- Which of these names are no permissions.
SELECT name FROM unnest($1::text[]) AS name
WHERE NOT EXISTS (SELECT 1 FROM permission WHERE permission = name)
ORDER BY name
