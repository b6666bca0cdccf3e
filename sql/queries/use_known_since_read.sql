-- Since when uses are written down, and what time it is.
SELECT at, now() AS now FROM use_known_since
