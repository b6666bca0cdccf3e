-- Forgets what nobody is shown any more.
SELECT prune_usage()
