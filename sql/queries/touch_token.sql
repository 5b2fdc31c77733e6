-- touch_token: records that a bearer token is in use, at most once a minute for all workers (app/web/auth.py).
-- $1 uuid  the ID in the token
-- Index: tokens_pkey, one row, inside the function. The update is HOT, because no index has the column.
-- example no such token: md5('no token')::uuid
SELECT images_touch_token($1) AS last_used_at;
