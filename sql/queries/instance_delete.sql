-- An instance that has stopped serving: no revoke need wait for its lease.
DELETE FROM instance WHERE instance = $1
