-- The quotas, at most $1, those that are nearest to their end first, and what has been got of each; see the function.
SELECT tsg_id, mode, tokens_per_day, tokens_per_month, tokens_today, tokens_this_month, day FROM watched_quotas($1)
