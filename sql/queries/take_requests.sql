-- take_requests: takes requests for a worker from those that a token may still send (app/web/token_limits.py). It
-- returns no row if the token has no such limit. A worker asks at most ten times a second, and once for each batch.
-- $1 uuid    the ID in the token
-- $2 bigint  how many requests the worker wants
-- Index: tokens_pkey and token_usage_pkey, one row each, inside the function. The update is HOT.
-- example no such token: md5('no token')::uuid, 5
SELECT
    granted,
    remaining,
    wait
FROM images_take_requests($1, $2);
