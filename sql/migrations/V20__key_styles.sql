-- The other ways of the field to present a key. By themselves: a new value can be used only after its transaction.
ALTER TYPE key_style ADD VALUE 'opaque';      -- by its secret, as a bearer token (RFC 6750 §2.1)
ALTER TYPE key_style ADD VALUE 'access_key';  -- by its number and its secret, exchanged for a JWT
ALTER TYPE key_style ADD VALUE 'signed';      -- by its number and its secret in headers, or by a hash of that
