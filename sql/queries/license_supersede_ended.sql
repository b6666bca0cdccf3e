-- Makes room for a new license of a product where the last one has ended.
UPDATE license SET superseded_at = now()
WHERE tsg_id = $1 AND product = $2 AND superseded_at IS NULL AND ends_at <= now()
