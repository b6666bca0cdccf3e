-- One region: its state, the life of its cache, and whether any instance of it has a lease.
SELECT state::text AS region_state, epoch, run_id, life,
       EXISTS (SELECT 1 FROM instance i WHERE i.region = r.region AND i.lease_until > clock_timestamp()) AS alive
FROM region r WHERE region = $1
