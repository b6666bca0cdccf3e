-- How every region is doing, of what costs next to nothing to ask: its state, what its last audit found, and how
-- many pending credentials wait for its acknowledgement. And how many records nobody can read.
SELECT r.region, r.state::text AS state, coalesce(r.divergent, 0) AS divergent,
       coalesce(w.waiting, 0) AS waiting,
       (SELECT count(*) FROM credential WHERE poisoned_version = version) AS poisoned
FROM region r
LEFT JOIN LATERAL (
    SELECT count(*) AS waiting
    FROM (SELECT credential FROM client_secret WHERE status = 'pending'
          UNION
          SELECT credential FROM api_key WHERE status = 'pending') p
    JOIN credential c ON c.credential = p.credential
    WHERE NOT EXISTS (SELECT 1 FROM acknowledgement a
                      WHERE a.credential = c.credential AND a.region = r.region
                        AND a.version = c.version AND a.epoch = r.epoch)) w ON true
