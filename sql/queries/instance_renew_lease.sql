-- Acknowledges what was applied and renews the lease, in a transaction of its own: only after it is
-- committed may the snapshot be taken from which changes are read.
UPDATE instance
SET applied = $2, low_water = $3, lease_until = clock_timestamp() + make_interval(secs => $4)
WHERE instance = $1
