-- The same as change_append for every account of the transaction's tenant, however many.
SELECT append_tenant_changes($1)
