-- Takes a region away from what keys wait for; what stood in the way. See the function.
SELECT drain_region($1, $2) AS refused
