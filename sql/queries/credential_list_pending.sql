-- Credentials with something pending in them, but for those in $3. Where this region has not acknowledged the
-- present version in its present epoch, with the record. Oldest change first, so that none waits for ever.
SELECT c.credential, acknowledged, CASE WHEN NOT acknowledged THEN r.record END AS record, c.version,
       coalesce((SELECT max(seq) FROM change), 0) AS head,
       n.system_identifier, n.timeline, n.incarnation, n.restore_counter
FROM authority_now() n
CROSS JOIN LATERAL (
    SELECT p.credential, p.version, p.seq, EXISTS (
        SELECT 1 FROM warm_credential w WHERE w.credential = p.credential AND w.region = $1) AS acknowledged
    FROM credential p
    WHERE p.credential <> ALL ($3) AND p.credential IN (SELECT credential FROM pending_credential)
    ORDER BY p.seq LIMIT $2) c
LEFT JOIN credential_record r ON r.credential = c.credential
ORDER BY c.seq
