-- At most $2 records after $1, in order, of one snapshot: also of accounts that are no more, of which nothing may
-- be served either.
SELECT c.credential, r.record, r.version,
       coalesce((SELECT max(seq) FROM change), 0) AS head,
       n.system_identifier, n.timeline, n.incarnation, n.restore_counter
FROM authority_now() n
CROSS JOIN LATERAL (SELECT credential FROM credential WHERE credential > $1 ORDER BY credential LIMIT $2) c
JOIN credential_record r ON r.credential = c.credential
ORDER BY c.credential
