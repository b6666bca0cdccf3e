-- Forgets a region in which nobody is alive; what stood in the way. See the function.
SELECT remove_region($1, $2) AS refused
