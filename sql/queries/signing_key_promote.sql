-- A published key signs from now on; what stood in the way. See the function.
SELECT refused, possible_at, awaited FROM promote_signing_key($1, $2)
