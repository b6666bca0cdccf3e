-- Whether another key is about to take this one's place.
SELECT EXISTS (SELECT 1 FROM api_key WHERE tsg_id = $1 AND replaces = $2 AND status = 'pending')
