-- The same key under another seal, unless somebody was faster.
UPDATE signing_key SET sealed = $2 WHERE kid = $1 AND sealed = $3
