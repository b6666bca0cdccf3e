-- What an account holds for all apps and services in its tenant: per grant the permissions of its role.
SELECT g.role_id IS NOT NULL AS has_role,
       ARRAY(SELECT p.permission FROM role_permission p WHERE p.role_id = g.role_id ORDER BY 1) AS permissions
FROM access_policy g
WHERE g.tsg_id = $1 AND g.principal = $2 AND g.products IS NULL
  AND g.target_tsg_id = ANY (tenant_path($1))
