-- The regions that every key waits for.
SELECT region FROM region WHERE state = 'required' ORDER BY region
