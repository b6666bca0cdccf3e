-- Which of these accounts were seen to get a token for each request within a day.
SELECT service_account_id, since, last_seen_at, tokens_per_minute
FROM token_per_request
WHERE tsg_id = $1 AND service_account_id = ANY ($2) AND last_seen_at > now() - interval '1 day'
