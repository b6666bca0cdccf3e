-- One instance of a region at a time compares its cache with this database, for so many seconds and longer while it
-- goes on; it begins when the last comparison is $4 seconds old.
UPDATE region SET auditor = $2, auditor_until = clock_timestamp() + make_interval(secs => $3)
WHERE region = $1
  AND (auditor = $2 AND auditor_until > clock_timestamp()
       OR auditor_until < clock_timestamp()
          AND (audited_at IS NULL OR audited_at < clock_timestamp() - make_interval(secs => $4)))
RETURNING region
