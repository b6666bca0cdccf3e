-- What this region's cache should hold and has not been seen to hold: at most $4 records after $3 whose present
-- version it has not acknowledged in epoch $2.
SELECT c.credential, r.record, r.version,
       coalesce((SELECT max(seq) FROM change), 0) AS head,
       n.system_identifier, n.timeline, n.incarnation, n.restore_counter
FROM authority_now() n
CROSS JOIN LATERAL (
    SELECT l.credential FROM live_credential l
    LEFT JOIN acknowledgement a ON a.credential = l.credential AND a.region = $1
    WHERE l.credential > $3 AND NOT l.poisoned AND (a.epoch, a.version) IS DISTINCT FROM ($2::bigint, l.version)
    ORDER BY l.credential LIMIT $4) c
JOIN credential_record r ON r.credential = c.credential
ORDER BY c.credential
