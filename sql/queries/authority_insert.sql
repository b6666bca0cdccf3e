-- The first instance ever writes down which history this is, and which master keys belong to it. It names the
-- primary key, and so fails while a dump is being restored that has not made it yet: a second row would spoil that.
INSERT INTO authority (system_identifier, timeline, incarnation, since, longest_lease, master_check)
SELECT system_identifier, timeline, incarnation, '-infinity', interval '0', $1 FROM authority_now()
ON CONFLICT (one) DO NOTHING
