-- A region that is new joins; the very first is required at once, for it has nothing to catch up with. How much there is
-- to warm, others have counted. Its epochs begin with the time, as they go on with it: one that was removed and comes back
-- must not meet what was sealed or acknowledged in its earlier life.
INSERT INTO region (region, state, total, epoch)
SELECT $1, CASE WHEN EXISTS (SELECT 1 FROM region) THEN 'joining' ELSE 'required' END::region_state,
       coalesce((SELECT max(total) FROM region), 0), next_epoch(0)
ON CONFLICT (region) DO NOTHING
