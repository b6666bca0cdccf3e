-- Pending becomes valid where nothing is lacking; see the function for what could.
SELECT flipped FROM flip_ready($1)
