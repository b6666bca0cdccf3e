-- A product and its key policy, unless there is one of that name or audience.
INSERT INTO product (product, title, audience, algorithm, token_lifetime_seconds, key_style, key_owner,
                     one_active_per_tenant, most_active_per_role, first_key_with_license, requires_all_apps,
                     required_permissions, requires_api_access, requires_held_role, requires_name,
                     name_is_unique, expires_with_license, may_expire, expiry_default_months,
                     may_be_extended, may_be_inactive, may_be_regenerated, security_levels,
                     takes_access_scope)
SELECT $1, $2, $3, $4::text::signing_algorithm, $5, ($6::jsonb #>> '{}')::key_style, k.owner,
       k.one_active_per_tenant, k.most_active_per_role, k.first_key_with_license, k.requires_all_apps,
       k.required_permissions, k.requires_api_access, k.requires_held_role, k.requires_name,
       k.name_is_unique, k.expires_with_license, k.may_expire, k.expiry_default_months,
       k.may_be_extended, k.may_be_inactive, k.may_be_regenerated, k.security_levels,
       k.takes_access_scope
FROM jsonb_to_record($7) AS k (
    owner key_owner, one_active_per_tenant boolean, most_active_per_role integer, first_key_with_license boolean, requires_all_apps boolean, required_permissions text[], requires_api_access boolean, requires_held_role boolean, requires_name boolean, name_is_unique boolean, expires_with_license boolean, may_expire boolean, expiry_default_months integer, may_be_extended boolean, may_be_inactive boolean, may_be_regenerated boolean, security_levels security_level[], takes_access_scope boolean)
ON CONFLICT DO NOTHING
