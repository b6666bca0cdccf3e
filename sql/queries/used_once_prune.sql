-- Forgets what has expired.
SELECT prune_used_once()
