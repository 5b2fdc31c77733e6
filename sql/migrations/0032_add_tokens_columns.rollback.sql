-- Drops the columns. Tokens that have expired are revoked first, so that they do not work again. The others no longer
-- expire and have no limits, and former secrets stop working.
--
-- loses: the notes, ends, former secrets and limits of all tokens
-- rows to lose: SELECT count(*) FROM tokens WHERE num_nonnulls(note, expires_at, rotated_at, former_sha256, requests_per_second, upload_bytes_per_day) > 0
-- Locks: ACCESS EXCLUSIVE on tokens until the commit: look-ups of tokens wait for 8 ms. No table of images is locked.
-- Cost:  none.

-- allow: unbatched-backfill because tokens has a row for each client, and a token must not work again in between
UPDATE tokens
SET revoked_at = expires_at
WHERE expires_at <= now()
    AND revoked_at IS NULL;

ALTER TABLE tokens
    DROP COLUMN note,
    DROP COLUMN expires_at,
    DROP COLUMN rotated_at,
    DROP COLUMN former_sha256,
    DROP COLUMN former_expires_at,
    DROP COLUMN requests_per_second,
    DROP COLUMN upload_bytes_per_day;
