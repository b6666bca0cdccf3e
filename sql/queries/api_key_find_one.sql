-- One API key with today's status, which the authority's clock decides, and whether its account
-- holds all apps and services only without a role.
SELECT k.api_key_id, k.tsg_id, k.product, k.name,
       CASE WHEN k.status IN ('valid', 'inactive') AND k.expires_at <= now() THEN 'expired'
            ELSE k.status::text END AS status,
       k.service_account_id, k.credential, k.comment, k.expires_at, k.created_at, k.created_by,
       k.status_changed_at, k.revoked_at, k.revoke_reason,
       k.status IN ('pending', 'valid', 'inactive') AND p.requires_all_apps AND NOT EXISTS (
           SELECT 1 FROM access_policy g
           WHERE g.tsg_id = k.tsg_id AND g.principal = k.credential AND g.products IS NULL
             AND g.role_id IS NOT NULL AND g.target_tsg_id = ANY (tenant_path($1))) AS without_role
FROM api_key k JOIN product p ON p.product = k.product
WHERE k.tsg_id = $1 AND k.api_key_id = $2
