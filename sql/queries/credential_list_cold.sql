-- One step through what this region's cache should hold: of the $5 credentials after $3, at most $4 records whose present
-- version it has not acknowledged in epoch $2. In every row, and in one when none is cold, how far this step has
-- come (nowhere: it was at the end), how many live ones are up to there, and how many of them are warm.
WITH walked AS MATERIALIZED (
    SELECT max(credential) AS last
    FROM (SELECT credential FROM credential WHERE credential > $3 ORDER BY credential LIMIT $5) part
), seen AS MATERIALIZED (
    SELECT l.credential, a.credential IS NOT NULL AS warm, a.credential IS NULL AND NOT l.poisoned AS cold
    FROM live_credential l
    LEFT JOIN acknowledgement a
        ON a.credential = l.credential AND a.region = $1 AND a.epoch = $2::bigint AND a.version = l.version
           AND a.credential > $3 AND a.credential <= (SELECT last FROM walked)
    WHERE l.credential > $3 AND l.credential <= (SELECT last FROM walked)
      AND l.client_id > $3 AND l.client_id <= (SELECT last FROM walked)
), cold AS MATERIALIZED (
    SELECT credential FROM seen WHERE cold ORDER BY credential LIMIT $4
)
SELECT step.upto, counted.total, counted.warm, c.credential, r.record, r.version,
       coalesce((SELECT max(seq) FROM change), 0) AS head,
       n.system_identifier, n.timeline, n.incarnation, n.restore_counter
FROM authority_now() n
CROSS JOIN LATERAL (
    SELECT CASE WHEN (SELECT count(*) FROM cold) < $4 THEN (SELECT last FROM walked)
                ELSE (SELECT max(credential) FROM cold) END AS upto) step
CROSS JOIN LATERAL (
    SELECT count(*) AS total, count(*) FILTER (WHERE warm) AS warm FROM seen WHERE credential <= step.upto) counted
LEFT JOIN (cold c JOIN credential_record r ON r.credential = c.credential) ON true
ORDER BY c.credential
