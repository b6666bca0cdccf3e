-- More than service accounts can be a credential: a person who administers, a key that is presented by itself. Each kind makes
-- its records in a view of its own; regions read them all by the one name that they know.

ALTER VIEW credential_record RENAME TO service_account_record;
CREATE VIEW credential_record AS
SELECT credential, version, record FROM service_account_record;
GRANT SELECT ON credential_record TO carnet_engine;
