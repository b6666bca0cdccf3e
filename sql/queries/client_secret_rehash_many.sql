-- Hashes of secrets that have proved right, under another pepper; how many were made anew. See the function.
SELECT rehash_client_secrets($1, $2, $3) AS done
