-- A role that Carnet works under and that could see every tenant's rows, if there is one.
SELECT rolname::text FROM pg_roles
WHERE rolname IN ('carnet_tenant', 'carnet_engine') AND (rolsuper OR rolbypassrls)
LIMIT 1
