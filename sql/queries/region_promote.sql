-- Is this region warm enough for keys to wait for it? All of it was read back in epoch $2 by somebody who began after
-- change $3.
SELECT promote_region($1, $2, $3)
