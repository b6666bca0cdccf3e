-- Pending becomes valid where nothing is lacking; see the function for what could. Version and seq are those from before
-- it began to wait for its turn.
SELECT c.credential, c.version, c.seq
FROM flip_ready($1) f JOIN credential c ON c.credential = f.flipped
