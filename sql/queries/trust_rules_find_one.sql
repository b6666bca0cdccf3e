-- The rules of an account, and what tokens name them by; no row when it never had any.
SELECT t.revision, coalesce((
    SELECT jsonb_agg(jsonb_build_object(
        'credential_id', trust_credential_id(i.generation, r.rule -> 'claims'),
        'issuer_id', i.id,
        'claims', r.rule -> 'claims') ORDER BY r.place)
    FROM jsonb_array_elements(t.rules) WITH ORDINALITY r (rule, place)
    JOIN trusted_issuer i ON i.tsg_id = t.tsg_id AND i.id = (r.rule ->> 'issuer_id')::uuid), '[]') AS rules
FROM trust_rules t
WHERE t.tsg_id = $1 AND t.service_account_id = $2
