-- Forgets what has expired, of some accounts; of how many.
SELECT prune_revoked_tokens($1)
