-- The last statement of a transaction that changes what regions cache: raises versions, appends to the outbox and,
-- where something is withdrawn, opens a receipt. The receipt goes by its id from here on: in another history the same
-- change may be something else.
SELECT seq, CASE WHEN $2 THEN receipt_id_of(seq) END AS receipt_id FROM append_changes($1, $2) AS seq
