-- How many withdrawals are under way, and how long those took that ended; each of these is told once.
SELECT open, seconds FROM measure_receipts()
