-- One caller's record as it is now; with the head of the feed and the time of the same snapshot, so
-- that a cache knows up to which change the record is true.
SELECT r.version, r.record,
       coalesce((SELECT max(seq) FROM change), 0) AS head, clock_timestamp() AS now
FROM (SELECT 1) one
LEFT JOIN credential_record r ON r.credential = $1
