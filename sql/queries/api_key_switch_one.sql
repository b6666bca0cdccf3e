-- Switches a key that is not over off (domain::key, event Deactivate) or, where $3, on again (Activate).
UPDATE api_key
SET status = CASE WHEN $3 THEN 'pending' ELSE 'inactive' END::key_status,
    status_changed_at = clock_timestamp(), revision = revision + 1
WHERE tsg_id = $1 AND api_key_id = $2 AND status = CASE WHEN $3 THEN 'inactive' ELSE 'valid' END::key_status
  AND (expires_at IS NULL OR expires_at > clock_timestamp())
