-- Whether an active key of the product $2 is called $3.
SELECT EXISTS (SELECT 1 FROM api_key
               WHERE tsg_id = $1 AND product = $2 AND name = $3 AND name_is_unique AND slot IS NOT NULL)
