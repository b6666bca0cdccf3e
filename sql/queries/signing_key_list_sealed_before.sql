-- Keys that are sealed under another master key than $1, as long as everybody who is alive has that as the current one.
SELECT kid, sealed FROM signing_key
WHERE sealed IS NOT NULL AND sealed_under(sealed) IS DISTINCT FROM $1 AND is_everybodys_master($1)
ORDER BY created_at LIMIT $2
