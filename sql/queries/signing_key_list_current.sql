-- The keys that sign or are published.
SELECT kid, algorithm::text AS algorithm, status = 'active' AS active, sealed
FROM signing_key WHERE status IN ('published', 'active')
ORDER BY created_at
