-- Leases of this length exist now: after a change of history they must be waited for.
UPDATE authority SET longest_lease = make_interval(secs => $1) WHERE longest_lease < make_interval(secs => $1)
