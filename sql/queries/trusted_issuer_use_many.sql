-- Those of these issuers that are there, as they are until the end of the transaction. In one order, so that two who do
-- this wait for each other and never in a circle.
SELECT id, kind::text AS kind FROM trusted_issuer WHERE tsg_id = $1 AND id = ANY ($2) ORDER BY id FOR SHARE
