-- Other certificates of an account, which its transaction has locked, as a new revision.
INSERT INTO client_certificates (tsg_id, service_account_id, name, certificates, bound)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (service_account_id) DO UPDATE
SET name = excluded.name, certificates = excluded.certificates, bound = excluded.bound,
    revision = client_certificates.revision + 1, changed_at = now()
