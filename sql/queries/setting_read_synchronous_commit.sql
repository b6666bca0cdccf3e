-- Whether an answered commit survives a crash.
SELECT current_setting('synchronous_commit')
