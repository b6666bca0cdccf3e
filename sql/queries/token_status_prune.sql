-- Forgets pairs that have long been gone, a part of them.
SELECT prune_token_statuses($1)
