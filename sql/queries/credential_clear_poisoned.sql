-- These can be read after all, by this program. Rows that somebody is changing are left alone.
UPDATE credential SET poisoned_version = NULL
WHERE credential IN (
    SELECT credential FROM credential
    WHERE credential = ANY ($1) AND poisoned_version IS NOT NULL
    FOR UPDATE SKIP LOCKED)
