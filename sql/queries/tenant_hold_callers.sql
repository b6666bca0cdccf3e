-- Lets nobody change anything as an account of this tenant until the end of the transaction; see caller_rights. Who
-- has begun comes to an end first.
SELECT pg_advisory_xact_lock(7031, hashtext($1))
