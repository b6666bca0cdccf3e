-- Which history this is, and what its master keys answer to a check.
SELECT system_identifier, timeline, incarnation, restore_counter, master_check FROM authority
