-- Every step of a key that is due; see the function.
SELECT tended, step FROM tend_signing_keys()
