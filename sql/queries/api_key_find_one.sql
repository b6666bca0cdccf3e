-- One API key with today's status, which the authority's clock decides, and what its account lacks
-- of what the product asks for: all apps and services, or a role for them.
SELECT k.api_key_id, k.tsg_id, k.product, k.name,
       CASE WHEN k.status IN ('valid', 'inactive') AND k.expires_at <= now() THEN 'expired'
            ELSE k.status::text END AS status,
       k.service_account_id, k.credential, k.comment, k.expires_at, k.created_at, k.created_by,
       k.status_changed_at, k.revoked_at, k.revoke_reason,
       judged AND grants = 0 AS without_grant, judged AND grants > 0 AND roles = 0 AS without_role
FROM api_key k JOIN product p ON p.product = k.product
CROSS JOIN LATERAL (
    SELECT k.status IN ('pending', 'valid', 'inactive') AND p.requires_all_apps AS judged,
           count(*) AS grants, count(g.role_id) AS roles
    FROM access_policy g
    WHERE g.tsg_id = k.tsg_id AND g.principal = k.credential AND g.products IS NULL
      AND g.target_tsg_id = ANY (tenant_path($1))) held
WHERE k.tsg_id = $1 AND k.api_key_id = $2
