-- Credentials with something pending in them, but for those in $3. Where this region has not acknowledged the
-- present version in its present epoch, with the record. Oldest change first, so that none waits for ever.
SELECT c.credential, acknowledged, CASE WHEN NOT acknowledged THEN r.record END AS record, c.version,
       coalesce((SELECT max(seq) FROM change), 0) AS head,
       n.system_identifier, n.timeline, n.incarnation, n.restore_counter
FROM authority_now() n
CROSS JOIN LATERAL (
    SELECT p.credential, p.version, p.seq, EXISTS (
        SELECT 1 FROM acknowledgement a JOIN region g ON g.region = a.region
        WHERE a.credential = p.credential AND a.region = $1
          AND a.version = p.version AND a.epoch = g.epoch) AS acknowledged
    FROM credential p
    WHERE p.credential <> ALL ($3) AND p.credential IN (
        SELECT credential FROM client_secret WHERE status = 'pending'
        UNION
        SELECT credential FROM api_key WHERE status = 'pending')
    ORDER BY p.seq LIMIT $2) c
LEFT JOIN credential_record r ON r.credential = c.credential
ORDER BY c.seq
