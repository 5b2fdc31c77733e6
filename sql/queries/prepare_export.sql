-- prepare_export: hands an export its filters, for GET /v1/images/export and `images export`: COPY takes no parameters.
-- They hold until the transaction ends, and so does the lifted limit: an export may take longer than a request. What it
-- does not take longer for is a table's lock: that keeps the limit.
-- $1 timestamptz  images later than this
-- $2 timestamptz  images earlier than this
-- $3 text[]       terms that each image has: tag:..., type:...; may be empty
-- $4 text         words in web-search syntax, or NULL
-- Index: none, no table is read.
-- example all of them: '-infinity', 'infinity', '{}', NULL
-- example a search: '2020-01-01Z', '2021-01-01Z', '{tag:street}', 'harbour'
SELECT
    set_config('lock_timeout', current_setting('statement_timeout'), true),
    set_config('statement_timeout', '0', true),
    set_config('images.created_after', $1::timestamptz::text, true),
    set_config('images.created_before', $2::timestamptz::text, true),
    set_config('images.query', images_query($3::text[], $4::text)::text, true);
