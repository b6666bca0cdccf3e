-- Instances that have not been heard of for long, and starts that were given up before there was a lease: they would hold
-- the outbox for ever. One that comes back registers anew.
DELETE FROM instance
WHERE greatest(lease_until, applied_at) < clock_timestamp() - interval '1 day'
   OR lease_until = '-infinity' AND applied_at < clock_timestamp() - interval '10 minutes'
