-- revoke_token: a bearer token allows nothing from now on, for `images token revoke`. No row comes back where none in
-- force has the name.
-- $1 text  name
-- Index: tokens_name_key.
-- example no such token: 'none'
UPDATE tokens
SET revoked_at = now()
WHERE name = $1
    AND revoked_at IS NULL
RETURNING id;
