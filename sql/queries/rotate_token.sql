-- rotate_token: gives a bearer token a new secret, for `images token rotate`. The present one becomes the former one.
-- It returns no row if another command has revoked or rotated the token since it was read.
-- $1 uuid         the ID in the token
-- $2 bytea        SHA-256 of the token as it was read
-- $3 bytea        SHA-256 of the token with its new secret
-- $4 interval     how long the present secret works on, at most until it expires; zero: not at all
-- $5 timestamptz  when the new secret expires, or NULL
-- $6 interval     how long the new secret is valid, if $5 is NULL; NULL: for ever
-- Index: tokens_pkey, one row.
-- example no such token: md5('no token')::uuid, sha256('token'), sha256('another'), '1 day', NULL, '90 days'
UPDATE tokens
SET
    sha256 = $3,
    rotated_at = now(),
    expires_at = COALESCE($5, now() + $6),
    former_sha256 = CASE WHEN $4 > interval '0' THEN sha256 END,
    former_expires_at = CASE WHEN $4 > interval '0' THEN LEAST(now() + $4, expires_at) END
WHERE id = $1
    AND sha256 = $2
    AND revoked_at IS NULL
RETURNING
    expires_at,
    expires_at <= now() AS is_expired,
    former_expires_at;
