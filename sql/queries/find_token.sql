-- find_token: returns a bearer token with its secrets and limits, for each request to the API that has one
-- (app/web/auth.py). An expired token is returned too. Times are in seconds from now,
-- also in a transaction: the function counts from its start, and an import may have begun an hour ago.
-- $1 uuid  the ID in the token
-- Index: tokens_pkey and token_usage_pkey, one row each, inside the function: the service may not read the tables.
-- example no such token: md5('no token')::uuid
SELECT
    scope,
    sha256,
    expires_in - elapsed.seconds AS expires_in,
    former_sha256,
    former_expires_in - elapsed.seconds AS former_expires_in,
    requests_per_second,
    upload_bytes_per_day,
    upload_bytes,
    day_ends_in - elapsed.seconds AS day_ends_in
FROM images_find_token($1)
CROSS JOIN (SELECT extract(epoch FROM clock_timestamp() - now())::double precision) AS elapsed (seconds);
