-- insert_token: stores a new bearer token, for `images token create`. It returns no row if a valid token has the name.
-- $1 uuid         the ID in the token
-- $2 text         name
-- $3 text         scope
-- $4 bytea        SHA-256 of the token
-- $5 text         note, or NULL
-- $6 timestamptz  when it expires, or NULL
-- $7 interval     how long it is valid, if $6 is NULL; NULL: for ever
-- $8 bigint       requests a second, or NULL
-- $9 bigint       bytes of uploads a day, or NULL
-- Index: tokens_name_key, for ON CONFLICT, one row.
-- example a token: md5('token')::uuid, 'a client', 'read', sha256('token'), 'a note', NULL, '90 days', 50, NULL
INSERT INTO tokens (id, name, scope, sha256, note, expires_at, requests_per_second, upload_bytes_per_day)
VALUES ($1, $2, $3, $4, $5, COALESCE($6, now() + $7), $8, $9)
ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
RETURNING
    expires_at,
    expires_at <= now() AS is_expired;
