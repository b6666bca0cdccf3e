-- One secret of an account, without anything secret, with today's status.
SELECT credential_id, service_account_id, name,
       CASE WHEN status IN ('pending', 'valid') AND expires_at <= now() THEN 'expired'
            ELSE status::text END AS status,
       created_at, expires_at, replaces
FROM client_secret
WHERE tsg_id = $1 AND service_account_id = $2 AND credential_id = $3
