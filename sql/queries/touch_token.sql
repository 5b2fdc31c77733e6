-- touch_token: note that a bearer token is in use, once a minute at most, whichever worker sees it (app/web/auth.py).
-- $1 uuid  the id in the token
-- Index: tokens_pkey. HOT: no index has the column.
-- example no such token: md5('no token')::uuid
UPDATE tokens
SET last_used_at = now()
WHERE id = $1
    AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
RETURNING last_used_at;
