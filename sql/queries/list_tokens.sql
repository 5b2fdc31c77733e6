-- list_tokens: returns all bearer tokens, including revoked ones, for `images token list`.
-- Index: none, it reads the whole table: one row for each token.
SELECT
    id,
    name,
    scope,
    created_at,
    last_used_at,
    revoked_at
FROM tokens
ORDER BY created_at, id;
