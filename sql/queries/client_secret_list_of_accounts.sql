-- The secrets of these accounts, without anything secret, with today's status.
SELECT credential_id, service_account_id, name,
       CASE WHEN status IN ('pending', 'valid') AND expires_at <= now() THEN 'expired'
            ELSE status::text END AS status,
       created_at, expires_at, replaces
FROM client_secret
WHERE tsg_id = $1 AND service_account_id = ANY ($2)
ORDER BY service_account_id, created_at, credential_id
