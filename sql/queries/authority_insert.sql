-- The first instance ever writes down which history this is, and which master keys belong to it.
INSERT INTO authority (system_identifier, timeline, since, master_check)
SELECT system_identifier, timeline, '-infinity', $1 FROM authority_now()
ON CONFLICT DO NOTHING
