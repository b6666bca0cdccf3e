-- Another Redis, or one that has lost what was in it: the next epoch, unless somebody was faster.
SELECT raise_epoch($1, $2, $3, $4)
