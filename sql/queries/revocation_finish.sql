-- Revoking becomes revoked: every instance has applied all changes up to $1, or lost its lease.
WITH keys AS (
    UPDATE api_key SET status = 'revoked', status_changed_at = clock_timestamp()
    WHERE status = 'revoking' AND revoking_seq <= $1
    RETURNING 1
), secrets AS (
    UPDATE client_secret SET status = 'revoked'
    WHERE status = 'revoking' AND revoking_seq <= $1
    RETURNING 1
)
SELECT (SELECT count(*) FROM keys) + (SELECT count(*) FROM secrets) AS finished
