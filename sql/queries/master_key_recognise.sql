-- Whether these master keys, the current one first, are those of this database; what stood in the way. See the function.
SELECT refused, id, signing_keys, client_secrets FROM recognise_masters($1, $2)
