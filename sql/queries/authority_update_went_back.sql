-- An instance has applied changes up to $1 and knows of restore $2: whether the history was set back under it.
SELECT note_went_back($1, $2)
