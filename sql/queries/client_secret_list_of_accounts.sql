-- The secrets of these accounts, without anything secret, with today's status.
SELECT s.credential_id, s.service_account_id, s.name,
       CASE WHEN s.status IN ('pending', 'valid') AND s.expires_at <= now() THEN 'expired'
            ELSE s.status::text END AS status,
       s.created_at, s.expires_at, s.replaces, u.last_used_at, u.last_used_address
FROM client_secret s
LEFT JOIN credential_use u ON u.service_account_id = s.service_account_id AND u.credential_id = s.credential_id
WHERE s.tsg_id = $1 AND s.service_account_id = ANY ($2)
ORDER BY s.service_account_id, s.created_at, s.credential_id
