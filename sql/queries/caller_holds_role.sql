-- Whether the caller $1, whose token is for $2, holds the role $4 in $3 for the product $5.
SELECT caller_holds_role($1, $2, $3, $4, $5)
