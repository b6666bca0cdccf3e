-- Revoking becomes revoked: every instance has applied all changes up to $1, or lost its lease.
WITH keys AS (
    UPDATE api_key k SET status = 'revoked', status_changed_at = clock_timestamp()
    FROM credential c
    WHERE c.credential = k.credential AND k.status = 'revoking' AND c.seq <= $1
    RETURNING 1
), secrets AS (
    UPDATE client_secret s SET status = 'revoked'
    FROM credential c
    WHERE c.credential = s.credential AND s.status = 'revoking' AND c.seq <= $1
    RETURNING 1
)
SELECT (SELECT count(*) FROM keys) + (SELECT count(*) FROM secrets) AS finished
