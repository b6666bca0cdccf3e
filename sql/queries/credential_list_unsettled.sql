-- Credentials with something pending in them, and whether this region has acknowledged their present
-- version in its present epoch. Oldest change first, so that none waits for ever.
SELECT c.credential, EXISTS (
    SELECT 1 FROM acknowledgement a JOIN region r ON r.region = a.region
    WHERE a.credential = c.credential AND a.region = $1
      AND a.version = c.version AND a.epoch = r.epoch) AS acknowledged
FROM credential c
WHERE c.credential IN (
    SELECT credential FROM client_secret WHERE status = 'pending'
    UNION
    SELECT credential FROM api_key WHERE status = 'pending')
ORDER BY c.seq
LIMIT $2
