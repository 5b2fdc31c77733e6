-- touch_token: records that a bearer token is in use, at most once a minute for all workers (app/web/auth.py).
-- $1 uuid  the id in the token
-- Index: tokens_pkey, one row. The update is HOT, because no index has the column.
-- example no such token: md5('no token')::uuid
UPDATE tokens
SET last_used_at = now()
WHERE id = $1
    AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
RETURNING last_used_at;
