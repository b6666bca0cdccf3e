-- Forgets lists of which nothing is left.
SELECT prune_status_lists()
