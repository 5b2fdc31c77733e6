-- limit_token: changes the limits of a bearer token, for `images token limit`. It returns no row if no valid token has
-- the name.
-- $1 text     name
-- $2 boolean  whether to change the requests a second
-- $3 bigint   requests a second; NULL: no limit
-- $4 boolean  whether to change the bytes of uploads a day
-- $5 bigint   bytes of uploads a day; NULL: no limit
-- Index: tokens_name_key, one row.
-- example no such token: 'none', true, 50, false, NULL
UPDATE tokens
SET
    requests_per_second = CASE WHEN $2 THEN $3 ELSE requests_per_second END,
    upload_bytes_per_day = CASE WHEN $4 THEN $5 ELSE upload_bytes_per_day END
WHERE name = $1
    AND revoked_at IS NULL
RETURNING
    requests_per_second,
    upload_bytes_per_day;
