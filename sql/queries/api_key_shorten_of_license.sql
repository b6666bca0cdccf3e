-- Keys of the product $2 that would outlive its license end with it, each with its audit event; whose they are.
WITH shortened AS (
    UPDATE api_key SET expires_at = $3, revision = revision + 1, shortened_at = clock_timestamp()
    WHERE tsg_id = $1 AND product = $2 AND status IN ('unmigrated', 'pending', 'valid', 'inactive')
      AND (expires_at IS NULL OR expires_at > $3)
    RETURNING tsg_id, api_key_id, credential, expires_at
), audited AS (
    INSERT INTO audit_event (tsg_id, actor, action, target, details)
    SELECT tsg_id, $4, 'api_key.update', api_key_id::text,
           jsonb_build_object('expires_at', expires_at, 'reason', 'its license ends')
    FROM shortened
)
SELECT DISTINCT credential FROM shortened WHERE credential IS NOT NULL
