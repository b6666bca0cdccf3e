-- Forgets pairs that have long been gone, so many at most; how many.
SELECT prune_token_statuses($1)
