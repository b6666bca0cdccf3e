-- Removes receipts complete for $3 seconds that nothing points to, of the $2 after change $1; where to go on. See the function.
SELECT prune_receipts($1, $2, make_interval(secs => $3))
