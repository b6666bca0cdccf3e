-- How many issuers a tenant trusts.
SELECT count(*) FROM trusted_issuer WHERE tsg_id = $1
