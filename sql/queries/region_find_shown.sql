-- How one region is doing. An epoch that was never raised is as old as the region.
SELECT region, state, state_changed_at, epoch, greatest(epoch_at, created_at) AS epoch_changed_at, created_at,
       warmed, total, poisoned, awaited, lag_changes, lag_seconds::float8 AS lag_seconds,
       lease_until, audited_at, divergent, instances
FROM region_shown
WHERE region = $1
