-- Another quota of a tenant that is held, as a new revision.
INSERT INTO token_quota AS q (tsg_id, mode, tokens_per_day, tokens_per_month) VALUES ($1, $2::text::quota_mode, $3, $4)
ON CONFLICT (tsg_id) DO UPDATE
SET mode = excluded.mode, tokens_per_day = excluded.tokens_per_day, tokens_per_month = excluded.tokens_per_month,
    revision = q.revision + 1, changed_at = now()
