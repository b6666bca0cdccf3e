-- Whether something in this credential is still pending.
SELECT EXISTS (SELECT 1 FROM client_secret WHERE credential = $1 AND status = 'pending')
    OR EXISTS (SELECT 1 FROM api_key WHERE credential = $1 AND status = 'pending')
