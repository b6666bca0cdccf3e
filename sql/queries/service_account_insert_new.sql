-- A new service account; its credential is there already.
INSERT INTO service_account (id, tsg_id, name, client_id, description, contact_email, created_by, dpop_bound)
VALUES ($2, $1, $3, $4, $5, $6, $7, $8)
