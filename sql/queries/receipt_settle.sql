-- The frontier, after what it proves has been written; see the function.
SELECT frontier, settled FROM settle_receipts()
