-- Lets a draining region catch up again; what stood in the way. See the function.
SELECT rejoin_region($1, $2) AS refused
