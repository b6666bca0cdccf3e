-- One instance of a region at a time warms what is cold; for so many seconds, and longer while it goes on.
UPDATE region SET sweeper = $2, sweeper_until = clock_timestamp() + make_interval(secs => $3)
WHERE region = $1 AND (sweeper = $2 OR sweeper_until < clock_timestamp())
RETURNING region
