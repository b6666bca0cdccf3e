-- Acknowledges what was applied and renews the lease, in a transaction of its own: only after it is committed may
-- the snapshot be taken from which changes are read. Who has not applied what is older than the limit keeps the lease
-- it has: over a link that carries questions but no answers, it would otherwise go on for ever. So does who has signing keys
-- of which one is compromised; and whoever has no lease begins with the newest.
WITH heard AS MATERIALIZED (
    SELECT coalesce((SELECT at FROM change WHERE seq > $2 ORDER BY seq LIMIT 1), 'infinity')
               > clock_timestamp() - unheard_limit()
           AND (SELECT r.serve_from <= $5 AND (r.revision = $5 OR i.lease_until > clock_timestamp())
                FROM keyring r, instance i WHERE i.instance = $1) AS enough)
UPDATE instance
SET applied_at = CASE WHEN applied < $2 THEN clock_timestamp() ELSE applied_at END,
    -- A renewal that comes late, over a connection that was given up, takes nothing back.
    applied = greatest(applied, $2), low_water = greatest(low_water, $3),
    keyring = $5, keys_lacking = $6,
    lease_until = CASE WHEN heard.enough THEN clock_timestamp() + make_interval(secs => $4) ELSE lease_until END
FROM heard
WHERE instance = $1
RETURNING heard.enough AS renewed, clock_timestamp() AS leased_at
