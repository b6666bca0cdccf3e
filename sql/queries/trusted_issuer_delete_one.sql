-- Takes an issuer away.
DELETE FROM trusted_issuer WHERE tsg_id = $1 AND id = $2
