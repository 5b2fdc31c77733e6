-- insert_token: stores a new bearer token, for `images token create`. It returns no row if a valid token has the name.
-- $1 uuid   the id in the token
-- $2 text   name
-- $3 text   scope
-- $4 bytea  SHA-256 of the token
-- Index: tokens_name_key, for ON CONFLICT, one row.
-- example a token: md5('token')::uuid, 'a client', 'read', sha256('token')
INSERT INTO tokens (id, name, scope, sha256)
VALUES ($1, $2, $3, $4)
ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
RETURNING id;
