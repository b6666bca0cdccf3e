-- All status lists; with the history that says so, the head of the feed, and the time of the same snapshot.
SELECT list_status_lists() AS lists, coalesce((SELECT max(seq) FROM change), 0) AS head, clock_timestamp() AS now,
       n.system_identifier, n.timeline, n.incarnation, n.restore_counter
FROM authority_now() n
