-- An instance knows of changes beyond the head of this feed: the history was set back under it.
UPDATE authority SET restore_counter = restore_counter + 1, since = clock_timestamp()
WHERE coalesce((SELECT max(seq) FROM change), 0) < $1
