-- What any of these principals holds and the caller does not.
SELECT coalesce(array_agg(DISTINCT lacking ORDER BY lacking), '{}')
FROM unnest($3::text[]) AS p (principal) CROSS JOIN LATERAL unnest(caller_lacks($1, $2, p.principal)) AS lacking
