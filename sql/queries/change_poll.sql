-- What happened after $1: at most $2 changes, and in every answer the time, the history it belongs to, the head of
-- the feed, how this region and the keyring are, and how many live instances of the region are older.
SELECT clock_timestamp() AS now,
       n.system_identifier, n.timeline, n.incarnation, n.restore_counter,
       (a.system_identifier, a.timeline, a.incarnation)
           = (n.system_identifier, n.timeline, n.incarnation) AS same_history,
       coalesce((SELECT max(seq) FROM change), 0) AS head,
       r.state::text AS region_state, r.epoch, r.run_id, r.life,
       (SELECT count(*) FROM instance o, instance me
        WHERE me.instance = $4 AND o.region = me.region AND o.lease_until > clock_timestamp()
          AND (o.started_at, o.instance) < (me.started_at, me.instance)) AS rank,
       k.revision AS keyring, k.serve_from,
       c.seq, c.credential, c.version,
       coalesce(extract(epoch FROM clock_timestamp() - c.at), 0)::float8 AS age
FROM authority_now() n
CROSS JOIN authority a
CROSS JOIN keyring k
LEFT JOIN region r ON r.region = $3
LEFT JOIN LATERAL (
    SELECT seq, credential, version, at FROM change WHERE seq > $1 ORDER BY seq LIMIT $2
) c ON true
ORDER BY c.seq
