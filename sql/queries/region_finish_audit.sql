-- The cache of this region has been compared whole, by the one who said so: this many entries would have been served
-- and were wrong.
UPDATE region SET audited_at = clock_timestamp(), divergent = $3, auditor_until = '-infinity'
WHERE region = $1 AND auditor = $2
