-- prepare_export: sets the filters of an export, for GET /v1/images/export and `images export`, because COPY takes no
-- parameters. They last until the transaction ends. It also lifts the time limits, because an export may take longer
-- than a request, and its client may be slow. The limit still applies to the wait for a table's lock.
-- $1 timestamptz  only images of this time or later
-- $2 timestamptz  only images of this time or earlier
-- $3 text[]       terms that each image has: tag:..., type:...; may be empty
-- $4 text         words as people write them (images_word_query), or NULL
-- $5 boolean      whether the export has the positions of the cameras
-- $6, $7 timestamptz  only images taken after and before these times, which are excluded, or NULL
-- $8 text             model of the camera in small letters, or NULL
-- $9, $10 float8[]    western and eastern ends of the parts of the area in degrees; empty for all the world
-- $11, $12 float8     southern and northern end of the area
-- Index: none, no table is read.
-- example all of them: '-infinity', 'infinity', '{}', NULL, true, NULL, NULL, NULL, '{}', '{}', 0, 0
-- example a search: '2020-01-01Z', '2021-01-01Z', '{tag:street}', 'harbour', true, NULL, NULL, NULL, '{}', '{}', 0, 0
-- example a camera in an area: '-infinity', 'infinity', '{}', NULL, true, '2020-01-01Z', '2021-01-01Z', 'model 5', '{-60}', '{60}', -45, 45
SELECT
    set_config('lock_timeout', current_setting('statement_timeout'), true),
    set_config('statement_timeout', '0', true),
    set_config('idle_in_transaction_session_timeout', '0', true),
    -- since PostgreSQL 17
    CASE WHEN current_setting('transaction_timeout', true) <> '0' THEN set_config('transaction_timeout', '0', true) END,
    set_config('images.created_after', $1::timestamptz::text, true),
    set_config('images.created_before', $2::timestamptz::text, true),
    set_config('images.query', images_word_query($3::text[], $4::text, 'whole')::text, true),
    set_config('images.has_query', CASE WHEN $3 <> '{}' OR $4 IS NOT NULL THEN 'yes' ELSE 'no' END, true),
    set_config('images.shows_location', CASE WHEN $5::boolean THEN 'yes' ELSE 'no' END, true),
    set_config('images.captured_after', $6::timestamptz::text, true),
    set_config('images.captured_before', $7::timestamptz::text, true),
    set_config('images.camera', $8::text, true),
    set_config('images.west', $9::float8[]::text, true),
    set_config('images.east', $10::float8[]::text, true),
    set_config('images.south', $11::float8::text, true),
    set_config('images.north', $12::float8::text, true);
