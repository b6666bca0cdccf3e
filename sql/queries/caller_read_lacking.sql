-- What this principal holds and the caller does not.
SELECT caller_lacks($1, $2, $3)
