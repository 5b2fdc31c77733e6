-- get_token: returns a bearer token that is not revoked by its name, for `images token rotate`.
-- $1 text  name
-- Index: tokens_name_key, one row.
-- example no such token: 'none'
SELECT
    id,
    sha256,
    COALESCE(expires_at <= now(), false) AS is_expired,
    expires_at - COALESCE(rotated_at, created_at) AS lifetime,
    CASE WHEN former_expires_at > now() THEN former_expires_at END AS former_expires_at
FROM tokens
WHERE name = $1
    AND revoked_at IS NULL;
