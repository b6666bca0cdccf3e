-- Who may act for an account; none when nobody ever could.
SELECT actors, revision FROM may_act WHERE tsg_id = $1 AND service_account_id = $2
