-- The name under which regions will cache a new account; none where the name was ever given.
INSERT INTO credential (credential, tsg_id)
VALUES ($2, $1)
ON CONFLICT (credential) DO NOTHING
