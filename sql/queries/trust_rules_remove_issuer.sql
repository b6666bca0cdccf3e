-- Takes the rules that name an issuer out of those of every account, as a new revision of each.
UPDATE trust_rules t
SET rules = coalesce((SELECT jsonb_agg(r.rule ORDER BY r.place)
                      FROM jsonb_array_elements(t.rules) WITH ORDINALITY r (rule, place)
                      WHERE (r.rule ->> 'issuer_id')::uuid <> $2), '[]'),
    revision = t.revision + 1, changed_at = now()
WHERE t.tsg_id = $1 AND t.rules @> jsonb_build_array(jsonb_build_object('issuer_id', $2::uuid))
