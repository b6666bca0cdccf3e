-- How many tokens of an account are taken back and may not have expired yet by everybody's clock, and how many of them by who acts
-- for it; and whether this one is.
SELECT count(*) FILTER (WHERE expires_at > clock_timestamp() - interval '1 minute') AS live,
       count(*) FILTER (WHERE by_actor AND expires_at > clock_timestamp() - interval '1 minute') AS by_actors,
       coalesce(bool_or(token = $3), false) AS noted
FROM revoked_token WHERE tsg_id = $1 AND credential = $2
