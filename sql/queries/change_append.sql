-- The last statement of a transaction that changes what regions cache: raises versions, appends to the outbox.
SELECT append_changes($1)
