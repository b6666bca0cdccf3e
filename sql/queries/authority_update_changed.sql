-- This is another history than the one written down (restored, promoted): say so, once. What caches hold was sealed for
-- the other one, so that everything is to be warmed anew.
WITH changed AS (
    UPDATE authority a
    SET system_identifier = n.system_identifier, timeline = n.timeline, incarnation = n.incarnation,
        restore_counter = a.restore_counter + 1, since = clock_timestamp()
    FROM authority_now() n
    WHERE (a.system_identifier, a.timeline, a.incarnation) <> (n.system_identifier, n.timeline, n.incarnation)
    RETURNING 1
)
UPDATE region SET epoch = greatest(epoch + 1, extract(epoch FROM clock_timestamp())::bigint)
WHERE EXISTS (SELECT 1 FROM changed)
