-- A region that is new joins; the very first is required at once, for it has nothing to catch up with.
INSERT INTO region (region, state)
SELECT $1, CASE WHEN EXISTS (SELECT 1 FROM region) THEN 'joining' ELSE 'required' END::region_state
ON CONFLICT (region) DO NOTHING
