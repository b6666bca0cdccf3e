-- The frontier: every instance that may still answer from a cache has applied all changes up to it. And in the
-- same breath, so that both are of one snapshot of one server: what was revoking up to there is revoked.
-- Not settled: the history changed less than one lease ago (or under us), so that leases which this
-- history does not know may be alive; nothing is proven before that time is over.
WITH frontier AS (
    SELECT coalesce(
               (SELECT min(applied) FROM instance WHERE lease_until > clock_timestamp()),
               (SELECT max(seq) FROM change), 0) AS seq,
           (a.system_identifier, a.timeline, a.incarnation) = (n.system_identifier, n.timeline, n.incarnation)
               AND a.since + a.longest_lease < clock_timestamp() AS settled
    FROM authority a, authority_now() n
), keys AS (
    UPDATE api_key k SET status = 'revoked', status_changed_at = clock_timestamp()
    FROM frontier f
    WHERE k.status = 'revoking' AND f.settled AND k.revoking_seq <= f.seq
    RETURNING k.tsg_id, k.api_key_id::text AS id, 'api_key.revoked' AS action
), secrets AS (
    UPDATE client_secret s SET status = 'revoked'
    FROM frontier f
    WHERE s.status = 'revoking' AND f.settled AND s.revoking_seq <= f.seq
    RETURNING s.tsg_id, s.credential_id AS id, 'client_secret.revoked' AS action
), audit AS (
    INSERT INTO audit_event (tsg_id, actor, action, target)
    SELECT tsg_id, 'carnet', action, id FROM (SELECT * FROM keys UNION ALL SELECT * FROM secrets) finished
)
SELECT seq AS frontier, settled FROM frontier
