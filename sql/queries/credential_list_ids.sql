-- The names of known callers after $1, for the roster that keeps a flood of unknown ones from costing them
-- anything.
SELECT credential FROM credential WHERE credential > $1 ORDER BY credential LIMIT $2
