-- What every installation starts with: the permission catalogue, the predefined roles, and the
-- first two products. Their audiences are names (RFC 8707 §2), not addresses that must answer.

INSERT INTO permission (permission, description) VALUES
    ('iam.tenant',          'Create and read tenants below this one'),
    ('iam.license',         'Grant and read licenses'),
    ('iam.service_account', 'Create, read, change and delete service accounts'),
    ('iam.custom_role',     'Create and read the tenant''s own roles'),
    ('iam.access_policy',   'Grant, read and withdraw access'),
    ('iam.api_key',         'Create, read and revoke API keys'),
    ('iam.read',            'Read everything of the above');

INSERT INTO role (id, name, description) VALUES
    ('00000000-0000-7000-8000-000000000001', 'superuser',             'Every permission'),
    ('00000000-0000-7000-8000-000000000002', 'iam_administrator',     'Service accounts, roles and access policies'),
    ('00000000-0000-7000-8000-000000000003', 'api_key_administrator', 'API keys, and reading the rest'),
    ('00000000-0000-7000-8000-000000000004', 'auditor',               'Reading everything');

INSERT INTO role_permission (role_id, permission)
SELECT '00000000-0000-7000-8000-000000000001', permission FROM permission;
INSERT INTO role_permission (role_id, permission) VALUES
    ('00000000-0000-7000-8000-000000000002', 'iam.service_account'),
    ('00000000-0000-7000-8000-000000000002', 'iam.custom_role'),
    ('00000000-0000-7000-8000-000000000002', 'iam.access_policy'),
    ('00000000-0000-7000-8000-000000000002', 'iam.read'),
    ('00000000-0000-7000-8000-000000000003', 'iam.api_key'),
    ('00000000-0000-7000-8000-000000000003', 'iam.read'),
    ('00000000-0000-7000-8000-000000000004', 'iam.read');

INSERT INTO product (product, title, audience, key_style, one_active_per_tenant,
                     requires_all_apps, required_permissions, expires_with_license) VALUES
    ('advanced_wildfire', 'Advanced WildFire', 'urn:carnet:product:advanced_wildfire',
     'bound_service_account', true, true, '{iam.service_account,iam.custom_role}', true),
    ('prisma_access', 'Prisma Access', 'urn:carnet:product:prisma_access',
     'bound_service_account', true, true, '{iam.service_account,iam.custom_role}', true);
