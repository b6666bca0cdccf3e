-- How many tokens a tenant may get, and has got. Always a row; without a quota its revision is 0.
SELECT coalesce(q.mode::text, 'observe') AS mode, q.tokens_per_day, q.tokens_per_month, coalesce(q.revision, 0) AS revision,
       coalesce((SELECT c.tokens FROM token_count c WHERE c.tsg_id = $1 AND c.day = today.day), 0) AS tokens_today,
       coalesce((SELECT sum(c.tokens) FROM token_count c
                 WHERE c.tsg_id = $1 AND c.day BETWEEN date_trunc('month', today.day)::date AND today.day), 0)::bigint
           AS tokens_this_month
FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS day) today LEFT JOIN token_quota q ON q.tsg_id = $1
