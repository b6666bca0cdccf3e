-- Algorithms whose key has signed for as long as one may, but for the hour that its successor is given to get everywhere.
SELECT s.algorithm::text AS algorithm FROM signing_key s
WHERE s.status = 'active' AND s.state_changed_at < clock_timestamp() - make_interval(secs => $1) + interval '1 hour'
  AND NOT EXISTS (SELECT 1 FROM signing_key u
                  WHERE u.algorithm = s.algorithm AND u.status = 'published' AND NOT u.superseded)
