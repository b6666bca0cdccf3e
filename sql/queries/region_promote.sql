-- Is this region warm enough for keys to wait for it?
SELECT promote_region($1)
