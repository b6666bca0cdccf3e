-- This is another history than the one written down (restored, promoted): say so, once.
UPDATE authority a
SET system_identifier = n.system_identifier, timeline = n.timeline, incarnation = n.incarnation,
    restore_counter = a.restore_counter + 1, since = clock_timestamp()
FROM authority_now() n
WHERE (a.system_identifier, a.timeline, a.incarnation) <> (n.system_identifier, n.timeline, n.incarnation)
