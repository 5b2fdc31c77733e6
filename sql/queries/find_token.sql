-- find_token: returns a bearer token with its scope, for each request to the API that has one (app/web/auth.py).
-- $1 uuid  the id in the token
-- Index: tokens_pkey, one row.
-- example no such token: md5('no token')::uuid
SELECT
    scope,
    sha256
FROM tokens
WHERE id = $1
    AND revoked_at IS NULL;
