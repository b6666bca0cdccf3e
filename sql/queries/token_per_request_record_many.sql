-- Clients that seem to get a token for each request; the names of those that begin to. See the function.
SELECT record_token_per_request($1, $2, $3) AS client_id
