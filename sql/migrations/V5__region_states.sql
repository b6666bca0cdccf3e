-- A region can be more than joining and required. A value of its own migration: Postgres lets nobody use
-- one in the transaction that adds it.

ALTER TYPE region_state ADD VALUE 'quarantined';  -- silent or stuck: no key waits for it
ALTER TYPE region_state ADD VALUE 'rejoining';    -- alive again, catching up: no key waits for it yet
ALTER TYPE region_state ADD VALUE 'draining';     -- an operator is taking it away: no key waits for it
