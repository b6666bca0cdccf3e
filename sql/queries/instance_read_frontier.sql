-- The frontier: every instance that may still answer from a cache has applied all changes up to it.
-- Not settled: the history changed less than one lease ago (or under us), so that leases which this
-- history does not know may be alive; nothing is proven before that time is over.
SELECT coalesce(
           (SELECT min(applied) FROM instance WHERE lease_until > clock_timestamp()),
           (SELECT max(seq) FROM change), 0) AS frontier,
       a.system_identifier = n.system_identifier AND a.timeline = n.timeline
           AND a.since + make_interval(secs => $1) < clock_timestamp() AS settled
FROM authority a, authority_now() n
