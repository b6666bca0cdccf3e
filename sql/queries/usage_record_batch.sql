-- Writes last uses and counts of tokens, once; see the function.
SELECT record_usage($1, $2, $3, $4, $5, $6, $7, $8, $9)
