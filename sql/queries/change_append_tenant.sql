-- The same as change_append for every account of the transaction's tenant, however many.
SELECT seq, CASE WHEN $1 THEN receipt_id_of(seq) END AS receipt_id FROM append_tenant_changes($1) AS seq
