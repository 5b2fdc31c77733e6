-- count_upload_bytes: counts bytes of a request body, if the token may upload that many today (app/web/token_limits.py).
-- It returns no row if the token has no such limit.
-- $1 uuid    the ID in the token
-- $2 bigint  the number of bytes; negative: give back bytes that were counted and did not come
-- $3 date    the day that such bytes were counted for; NULL: today
-- Index: tokens_pkey and token_usage_pkey, one row each, inside the function. The update is HOT.
-- example no such token: md5('no token')::uuid, 1000, NULL
SELECT
    granted,
    remaining,
    today,
    day_ends_in
FROM images_count_upload_bytes($1, $2, $3);
