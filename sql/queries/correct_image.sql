-- correct_image: writes into the row of a known image what an upload of its bytes has measured, for POST /v1/images.
-- The bytes are under the key of their SHA-256 then. It returns no row if the image does not exist.
-- $1 uuid     the id                 $4 integer  width in pixels
-- $2 text     media type             $5 integer  height in pixels
-- $3 bigint   size in bytes          $6 to $10  capture, captured_at, location, color and ThumbHash: as in insert_image
-- An upload of a JPEG measures no color and no ThumbHash, so those that the row has stay.
-- The image gets a new version only if the client sees a change. An object under a former key of its own is left there.
-- Index: images_pkey, one row. If the media type changes, the triggers write its term.
-- example what it has: md5('image 1')::uuid, 'image/jpeg', 1000, 640, 480, '{}', NULL, NULL, NULL, NULL
-- example another size: md5('image 1')::uuid, 'image/png', 1, 1, 1, '{}', NULL, NULL, NULL, NULL
-- example no such image: md5('no image')::uuid, 'image/png', 1, 1, 1, '{}', NULL, NULL, NULL, NULL
UPDATE images
SET
    content_type = $2,
    byte_size = $3,
    width = $4,
    height = $5,
    capture = $6,
    captured_at = $7,
    location = $8,
    color = COALESCE($9, color),
    thumbhash = COALESCE($10, thumbhash),
    own_key = NULL,
    updated_at = CASE
        WHEN (content_type, byte_size, width, height, capture, location, color, thumbhash)
            IS DISTINCT FROM
            ($2::text, $3::bigint, $4::integer, $5::integer, $6::jsonb, $8::jsonb, COALESCE($9::text, color), COALESCE($10::bytea, thumbhash))
            THEN GREATEST(clock_timestamp(), updated_at + interval '1 microsecond')
        ELSE updated_at
    END
WHERE id = $1
RETURNING
    id,
    updated_at,
    (
        SELECT row_to_json(image)
        FROM (
            SELECT
                id,
                filename,
                content_type,
                byte_size,
                width,
                height,
                images_sha256_text(content_sha256) AS sha256,
                title,
                description,
                tags,
                created_at,
                updated_at,
                color,
                encode(thumbhash, 'base64') AS thumbhash,
                capture,
                location,
                attributes
        ) AS image
    ) AS image;
