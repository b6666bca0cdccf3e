-- What this caller may do in a tenant, and the authority's time: the first question of every use case.
SELECT alive, reaches, rights, clock_timestamp() AS now
FROM caller_rights($1, $2, $3, $4, $5, $6, $7, $8)
