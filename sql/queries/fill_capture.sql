-- fill_capture: writes the metadata in the bytes of an image, for `images backfill capture`. It returns no row if the image does
-- not exist, or has it already.
-- $1 uuid         the id                  $4 jsonb  position, or NULL
-- $2 jsonb        capture metadata        $5 text   dominant color, or NULL
-- $3 timestamptz  captured_at, or NULL    $6 bytea  ThumbHash, or NULL
-- A first paint that a thumbnail has given stays if the bytes tell none.
-- The image gets a new version, because the client sees a change.
-- Index: images_pkey, one row. With IS NULL, the planner would take images_content_sha256_idx while it is small.
-- example an image: md5('image 1')::uuid, '{"iso": 100}', NULL, NULL, '#c81e1e', NULL
-- example no such image: md5('no image')::uuid, '{}', NULL, NULL, NULL, NULL
UPDATE images
SET
    capture = $2,
    captured_at = $3,
    location = $4,
    color = COALESCE($5, color),
    thumbhash = COALESCE($6, thumbhash),
    updated_at = GREATEST(clock_timestamp(), updated_at + interval '1 microsecond')
WHERE id = $1
    AND num_nulls(capture) = 1
RETURNING id;
