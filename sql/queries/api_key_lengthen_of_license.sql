-- Keys of the product $2 whose license went to $3 and goes to $4 now end when was asked, or with it; each with its audit event;
-- whose records they are in.
WITH lengthened AS (
    UPDATE api_key SET expires_at = least(asked_expires_at, $4), revision = revision + 1
    WHERE tsg_id = $1 AND product = $2 AND status IN ('unmigrated', 'pending', 'valid', 'inactive')
      AND expires_at = $3 AND expires_at > clock_timestamp() AND (asked_expires_at IS NULL OR asked_expires_at > $3)
    RETURNING tsg_id, api_key_id, credential, expires_at
), audited AS (
    INSERT INTO audit_event (tsg_id, actor, action, target, details)
    SELECT tsg_id, $5, 'api_key.update', api_key_id::text,
           jsonb_build_object('expires_at', expires_at, 'reason', 'its license goes on')
    FROM lengthened
)
SELECT DISTINCT credential FROM lengthened WHERE credential IS NOT NULL
