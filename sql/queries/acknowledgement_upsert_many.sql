-- This region has read these versions back from its own cache. A later acknowledgement never goes back
-- to an earlier version of the same epoch. In order, so that two who acknowledge do not wait for each other.
INSERT INTO acknowledgement (credential, region, version, epoch)
SELECT a.credential, $1, a.version, $2
FROM unnest($3::text[], $4::bigint[]) AS a (credential, version)
ORDER BY a.credential
ON CONFLICT (credential, region) DO UPDATE
SET version = EXCLUDED.version, epoch = EXCLUDED.epoch, at = EXCLUDED.at
WHERE (acknowledgement.epoch, acknowledgement.version) < (EXCLUDED.epoch, EXCLUDED.version)
