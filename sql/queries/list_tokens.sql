-- list_tokens: all bearer tokens, revoked ones too, for `images token list`.
-- Reads the whole table: one row a client.
SELECT
    id,
    name,
    scope,
    created_at,
    last_used_at,
    revoked_at
FROM tokens
ORDER BY created_at, id;
