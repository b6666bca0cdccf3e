-- An instance that is about to load its floor. It has no lease before it renews it for the first time.
INSERT INTO instance (instance, region, applied, low_water, lease_until)
VALUES ($1, $2, $3, $4, '-infinity')
ON CONFLICT (instance) DO UPDATE
SET applied = EXCLUDED.applied, applied_at = clock_timestamp(), low_water = EXCLUDED.low_water,
    lease_until = EXCLUDED.lease_until
