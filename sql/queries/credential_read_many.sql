-- The records of these credentials as they are now, of one snapshot; see credential_read.
SELECT r.credential, r.record, r.version,
       coalesce((SELECT max(seq) FROM change), 0) AS head,
       n.system_identifier, n.timeline, n.incarnation, n.restore_counter
FROM authority_now() n
CROSS JOIN credential_record r
WHERE r.credential = ANY ($1)
