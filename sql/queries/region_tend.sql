-- Regions that are silent, stuck, or heard of again; see the function.
SELECT moved, was, became FROM tend_regions(make_interval(secs => $1))
