-- The first instance ever writes down which history this is, and which master keys belong to it.
INSERT INTO authority (system_identifier, timeline, incarnation, since, longest_lease, master_check)
SELECT system_identifier, timeline, incarnation, '-infinity', interval '0', $1 FROM authority_now()
ON CONFLICT DO NOTHING
