-- How every region is doing, of what costs next to nothing to ask: its state, what its last audit found, and how
-- many pending credentials wait for its acknowledgement. And how many records nobody can read.
SELECT r.region, r.state::text AS state, coalesce(r.divergent, 0) AS divergent,
       (SELECT count(*) FROM pending_credential p
        WHERE NOT EXISTS (SELECT 1 FROM warm_credential w
                          WHERE w.credential = p.credential AND w.region = r.region)) AS waiting,
       (SELECT count(*) FROM credential WHERE poisoned_version = version) AS poisoned
FROM region r
