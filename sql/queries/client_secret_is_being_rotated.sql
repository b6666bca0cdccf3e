-- Whether another secret is on its way to take the place of this one.
SELECT EXISTS (SELECT 1 FROM client_secret WHERE tsg_id = $1 AND replaces = $2 AND status = 'pending')
