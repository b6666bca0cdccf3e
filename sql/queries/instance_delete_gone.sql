-- Instances whose lease ended long ago. One that comes back registers anew.
DELETE FROM instance WHERE lease_until < clock_timestamp() - interval '1 day'
