-- One instance of a region at a time warms what is cold; for so many seconds, and longer while it goes on. With what it
-- has counted on its way, if anything: in epoch $4, $5 live credentials, $6 of them warm; $7: that are all.
UPDATE region
SET sweeper = $2, sweeper_until = clock_timestamp() + make_interval(secs => $3),
    total = CASE WHEN $7 THEN $5 ELSE greatest(total, $5) END,
    warmed = CASE WHEN $7 OR counted_epoch <> $4 THEN $6 ELSE greatest(warmed, $6) END,
    counted_epoch = coalesce($4, counted_epoch)
WHERE region = $1 AND (sweeper = $2 OR sweeper_until < clock_timestamp())
RETURNING region
