-- A POST can be repeated for a day.
DELETE FROM idempotency_key WHERE created_at < now() - interval '1 day'
