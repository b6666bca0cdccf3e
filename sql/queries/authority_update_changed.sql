-- Whether this is another history than the one written down; it is written down then.
SELECT note_other_history()
