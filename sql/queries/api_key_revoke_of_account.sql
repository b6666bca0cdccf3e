-- Withdraws every key of an account that goes away; see api_key_revoke_one.
UPDATE api_key
SET status = CASE WHEN status IN ('pending', 'inactive') OR credential IS NULL THEN 'revoked'
                  ELSE 'revoking' END::key_status,
    slot = NULL, status_changed_at = clock_timestamp(), revoked_at = clock_timestamp(),
    revoked_by = $3, revoke_reason = $4, revision = revision + 1
WHERE tsg_id = $1 AND service_account_id = $2 AND status IN ('unmigrated', 'pending', 'valid', 'inactive')
  AND (expires_at IS NULL OR expires_at > now() OR status IN ('unmigrated', 'pending'))
RETURNING api_key_id
