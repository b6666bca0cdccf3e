-- Withdraws a key (domain::key, event Revoke). What never worked, or works through no record, is
-- revoked at once; the rest when every instance has heard. What is over stays as it is.
UPDATE api_key
SET status = CASE WHEN status IN ('pending', 'inactive') OR credential IS NULL THEN 'revoked'
                  ELSE 'revoking' END::key_status,
    slot = NULL, status_changed_at = clock_timestamp(), revoked_at = clock_timestamp(),
    revoked_by = $3, revoke_reason = $4, revision = revision + 1
WHERE tsg_id = $1 AND api_key_id = $2 AND status IN ('unmigrated', 'pending', 'valid', 'inactive')
  AND (expires_at IS NULL OR expires_at > now() OR status IN ('unmigrated', 'pending'))
