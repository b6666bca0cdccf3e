-- What is good in one status list; with the history that says so, the head of the feed, and the time of the same snapshot.
SELECT l.given, l.good, coalesce((SELECT max(seq) FROM change), 0) AS head, clock_timestamp() AS now,
       n.system_identifier, n.timeline, n.incarnation, n.restore_counter
FROM authority_now() n CROSS JOIN read_status_list($1) l
