-- An instance knows of changes beyond the head of this feed, or of a later restore: the history was set back under it. As
-- with any other history, everything is to be warmed anew.
WITH changed AS (
    UPDATE authority SET restore_counter = greatest(restore_counter, $2) + 1, since = clock_timestamp()
    WHERE coalesce((SELECT max(seq) FROM change), 0) < $1 OR restore_counter < $2
    RETURNING 1
)
UPDATE region SET epoch = greatest(epoch + 1, extract(epoch FROM clock_timestamp())::bigint)
WHERE EXISTS (SELECT 1 FROM changed)
