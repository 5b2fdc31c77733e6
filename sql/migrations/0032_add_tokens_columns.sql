-- Adds a note, an end, a former secret, and limits to tokens.
--
-- What:  seven columns, all NULL for the tokens of before: they do not expire and have no limits.
-- Why:   * A rotated token keeps its row and its ID, so its limits and its log lines continue. Until the end of the
--          overlap the former secret works too, so there are two hashes and two ends.
--        * The release before reads none of the columns. While an instance of it runs, it accepts expired tokens, and
--          rejects former secrets.
-- Locks: ACCESS EXCLUSIVE on tokens until the commit: look-ups of tokens wait for 43 ms. No table of images is locked.
-- Cost:  none, also with ten million images. The checks read tokens, which has a row for each client.
-- depends: 0031_grant_images_app

ALTER TABLE tokens
    ADD COLUMN note text,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN rotated_at timestamptz,
    ADD COLUMN former_sha256 bytea,
    ADD COLUMN former_expires_at timestamptz,
    ADD COLUMN requests_per_second bigint,
    ADD COLUMN upload_bytes_per_day bigint,
    -- allow: check-scan because tokens has only a row for each client
    ADD CONSTRAINT tokens_note_check CHECK (char_length(note) BETWEEN 1 AND 500),
    -- allow: check-scan because tokens has only a row for each client
    ADD CONSTRAINT tokens_expires_at_check CHECK (isfinite(expires_at) AND isfinite(former_expires_at)),
    -- allow: check-scan because tokens has only a row for each client
    ADD CONSTRAINT tokens_former_check CHECK (
        octet_length(former_sha256) = 32
        AND (former_sha256 IS NULL) = (former_expires_at IS NULL)
    ),
    -- allow: check-scan because tokens has only a row for each client
    ADD CONSTRAINT tokens_requests_per_second_check CHECK (requests_per_second BETWEEN 1 AND 100000),
    -- allow: check-scan because tokens has only a row for each client
    ADD CONSTRAINT tokens_upload_bytes_per_day_check CHECK (upload_bytes_per_day BETWEEN 1 AND 1000000000000000);

COMMENT ON COLUMN tokens.note IS
    'What it is for, for people.';

COMMENT ON COLUMN tokens.expires_at IS
    'When its secret stops working; NULL: never.';

COMMENT ON COLUMN tokens.rotated_at IS
    'When it got its present secret; NULL: when it was made.';

COMMENT ON COLUMN tokens.former_sha256 IS
    'SHA-256 of the token with its former secret; NULL: none.';

COMMENT ON COLUMN tokens.former_expires_at IS
    'When its former secret stops working.';

COMMENT ON COLUMN tokens.requests_per_second IS
    'How many requests it may send in a second, to all workers together; NULL: no limit.';

COMMENT ON COLUMN tokens.upload_bytes_per_day IS
    'How many bytes of bodies it may send in a day of UTC; NULL: no limit.';

COMMENT ON CONSTRAINT tokens_note_check ON tokens IS
    'At most 500 characters.';

COMMENT ON CONSTRAINT tokens_expires_at_check ON tokens IS
    'A time, and not infinity: never is NULL.';

COMMENT ON CONSTRAINT tokens_former_check ON tokens IS
    'A digest, and its end.';

COMMENT ON CONSTRAINT tokens_requests_per_second_check ON tokens IS
    'From 1 to 100,000.';

COMMENT ON CONSTRAINT tokens_upload_bytes_per_day_check ON tokens IS
    'From 1 byte to 1 PB.';
