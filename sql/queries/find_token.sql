-- find_token: what a bearer token allows, for each request to the API that comes with one (app/web/auth.py).
-- $1 uuid  the id in the token
-- Index: tokens_pkey.
-- example no such token: md5('no token')::uuid
SELECT
    scope,
    sha256
FROM tokens
WHERE id = $1
    AND revoked_at IS NULL;
