-- Which history this is.
SELECT system_identifier, timeline, incarnation, restore_counter FROM authority
