-- One caller's record as it is now; with the history that says so, the head of the feed, and the time of
-- the same snapshot, so that a cache knows up to which change of which history the record is true.
SELECT r.version, r.record,
       coalesce((SELECT max(seq) FROM change), 0) AS head, clock_timestamp() AS now,
       n.system_identifier, n.timeline, n.incarnation, n.restore_counter
FROM authority_now() n
LEFT JOIN credential_record r ON r.credential = $1
