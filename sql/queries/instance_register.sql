-- An instance that has loaded its floor takes its first lease. Until then it is nobody's concern.
INSERT INTO instance (instance, region, applied, low_water, lease_until)
VALUES ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5))
ON CONFLICT (instance) DO UPDATE
SET applied = EXCLUDED.applied, low_water = EXCLUDED.low_water, lease_until = EXCLUDED.lease_until
