-- The last statement of a transaction that changes what regions cache: raises versions, appends to the outbox and,
-- where something is withdrawn, opens a receipt.
SELECT append_changes($1, $2)
