-- Instances that have not been heard of for long. One that comes back registers anew.
DELETE FROM instance WHERE greatest(lease_until, applied_at) < clock_timestamp() - interval '1 day'
