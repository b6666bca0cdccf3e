-- Those of these client_ids that are no accounts of the tenant.
SELECT n.client_id
FROM unnest($2::text[]) AS n (client_id)
WHERE NOT EXISTS (
    SELECT 1 FROM service_account a
    WHERE a.tsg_id = $1 AND a.client_id = n.client_id AND a.deleted_at IS NULL)
ORDER BY 1
