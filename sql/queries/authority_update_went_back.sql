-- An instance knows of changes beyond the head of this feed: the history was set back under it. As with any other
-- history, everything is to be warmed anew.
WITH changed AS (
    UPDATE authority SET restore_counter = restore_counter + 1, since = clock_timestamp()
    WHERE coalesce((SELECT max(seq) FROM change), 0) < $1
    RETURNING 1
)
UPDATE region SET epoch = epoch + 1 WHERE EXISTS (SELECT 1 FROM changed)
