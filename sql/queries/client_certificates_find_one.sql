-- The certificates of an account, or the name that they carry; none when nothing was ever said of them.
SELECT name, certificates, bound, revision FROM client_certificates WHERE tsg_id = $1 AND service_account_id = $2
