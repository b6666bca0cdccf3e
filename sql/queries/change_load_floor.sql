-- The newest $1 changes, oldest first, for a floor. What is older than the first of them it does not know.
SELECT seq, credential, version
FROM (SELECT seq, credential, version FROM change ORDER BY seq DESC LIMIT $1) newest
ORDER BY seq
