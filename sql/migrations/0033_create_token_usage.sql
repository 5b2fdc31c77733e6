-- Creates the table of the use of tokens with limits.
--
-- What:  the table token_usage, empty. The functions of 0034 write to it: a row for each token with a limit.
-- Why:   * All workers share a limit. A worker takes requests from this table in batches, not one by one.
--        * A time is enough for a bucket of requests: the one at which the bucket is full again.
--        * It is a table of its own, because its rows change up to twenty times a second, and those of tokens seldom.
--        * It has no foreign key: that would lock tokens. A row of a deleted token stays, and nothing reads it.
-- Locks: none on images.
-- Cost:  none, also with ten million images. Half of each page is free, so an update writes to one page and no index.
-- depends: 0032_add_tokens_columns

CREATE TABLE token_usage (
    token_id uuid NOT NULL,
    full_at timestamptz NOT NULL DEFAULT '-infinity',
    upload_day date NOT NULL DEFAULT '-infinity',
    upload_bytes bigint NOT NULL DEFAULT 0,
    CONSTRAINT token_usage_pkey PRIMARY KEY (token_id)
) WITH (fillfactor = 50);

COMMENT ON TABLE token_usage IS
    'The use of tokens with limits. It is right within a second, and can be emptied at any time.';

COMMENT ON COLUMN token_usage.token_id IS
    'The ID of the token, as in tokens.';

COMMENT ON COLUMN token_usage.full_at IS
    'When the token may send all requests of a second again, if it sends none until then.';

COMMENT ON COLUMN token_usage.upload_day IS
    'The day of UTC that upload_bytes belongs to.';

COMMENT ON COLUMN token_usage.upload_bytes IS
    'The bytes of bodies that were received on this day, or are being received.';

COMMENT ON INDEX token_usage_pkey IS
    'One token by its ID: find_token, take_requests, count_upload_bytes.';
