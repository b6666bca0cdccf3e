-- Forgets what has expired, of some accounts.
SELECT prune_revoked_tokens($1)
