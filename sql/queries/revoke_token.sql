-- revoke_token: revokes a bearer token, for `images token revoke`. It returns no row if no valid token has the name.
-- $1 text  name
-- Index: tokens_name_key, one row.
-- example no such token: 'none'
UPDATE tokens
SET revoked_at = now()
WHERE name = $1
    AND revoked_at IS NULL
RETURNING id;
