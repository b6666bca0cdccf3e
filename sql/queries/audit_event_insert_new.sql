-- Who did what, in the transaction of the change itself.
INSERT INTO audit_event (tsg_id, actor, action, target, details)
VALUES ($1, $2, $3, $4, $5)
