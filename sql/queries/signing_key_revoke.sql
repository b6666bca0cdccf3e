-- A compromised key is taken out at once; what stood in the way. See the function.
SELECT revoke_signing_key($1, $2, $3, $4, $5) AS refused
