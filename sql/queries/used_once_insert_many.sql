-- Which of these, until when they expire, are used for the first time; see the function.
SELECT use_once($1, $2)
