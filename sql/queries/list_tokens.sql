-- list_tokens: returns all bearer tokens, including revoked ones, for `images token list`. An expired token is not
-- revoked. "expires soon" means within seven days.
-- Index: none, it reads both tables whole: a row for each token, and a few events for each.
SELECT
    tokens.id,
    tokens.name,
    CASE
        WHEN tokens.revoked_at IS NOT NULL THEN 'revoked'
        WHEN tokens.expires_at <= now() THEN 'expired'
        WHEN tokens.expires_at <= now() + interval '7 days' THEN 'expires soon'
        ELSE 'valid'
    END AS state,
    tokens.scope,
    tokens.note,
    tokens.created_at,
    made.by AS created_by,
    tokens.rotated_at,
    tokens.expires_at,
    CASE WHEN tokens.former_expires_at > now() THEN tokens.former_expires_at END AS former_expires_at,
    tokens.last_used_at,
    tokens.revoked_at,
    ended.by AS revoked_by,
    tokens.requests_per_second,
    tokens.upload_bytes_per_day
FROM tokens
LEFT JOIN (
    SELECT DISTINCT ON (token_id) token_id, CONCAT_WS(', ', role, actor) AS by
    FROM token_events
    WHERE action = 'create'
    ORDER BY token_id, id
) AS made ON made.token_id = tokens.id
LEFT JOIN (
    SELECT DISTINCT ON (token_id) token_id, CONCAT_WS(', ', role, actor) AS by
    FROM token_events
    WHERE action = 'revoke'
    ORDER BY token_id, id DESC
) AS ended ON ended.token_id = tokens.id AND tokens.revoked_at IS NOT NULL
ORDER BY tokens.created_at, tokens.id;
