-- When each proof of an account was last used, and from where.
SELECT credential_id, last_used_at, last_used_address FROM credential_use WHERE tsg_id = $1 AND service_account_id = $2
