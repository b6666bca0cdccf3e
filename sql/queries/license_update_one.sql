-- Writes when a license ends, which its transaction holds, as a new revision.
UPDATE license SET ends_at = $3, revision = revision + 1 WHERE tsg_id = $1 AND id = $2
