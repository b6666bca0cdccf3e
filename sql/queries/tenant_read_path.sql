-- The line of tenants from the root to this one; null for an unknown one. It never changes.
SELECT tenant_path($1)
