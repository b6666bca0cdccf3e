-- Whether the transaction's tenant has more accounts than that.
SELECT count(*) > $1::bigint FROM (
    SELECT 1 FROM service_account WHERE tsg_id = current_tsg() AND deleted_at IS NULL LIMIT $1::bigint + 1) part
