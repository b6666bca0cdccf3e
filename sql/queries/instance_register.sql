-- An instance that is about to load its floor. It has no lease before it renews it for the first time.
INSERT INTO instance (instance, region, applied, low_water, lease_until, keyring, masters, reads_statuses)
VALUES ($1, $2, $3, $4, '-infinity', $5, $6, true)
ON CONFLICT (instance) DO UPDATE
SET applied = EXCLUDED.applied, applied_at = clock_timestamp(), low_water = EXCLUDED.low_water,
    lease_until = EXCLUDED.lease_until, keyring = EXCLUDED.keyring, masters = EXCLUDED.masters,
    reads_statuses = true
