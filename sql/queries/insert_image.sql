-- insert_image: records an upload, for POST /v1/images. It returns no row if the same bytes are recorded already.
-- $1 text    file name           $6 bytea   SHA-256
-- $2 text    media type          $7 text    title, or NULL
-- $3 bigint  size in bytes       $8 text    description, or NULL
-- $4 integer width in pixels     $9 text[]  tags
-- $5 integer height in pixels    $10 jsonb  attributes
-- $11 jsonb       capture metadata: {} if there are none
-- $12 timestamptz when it was taken, or NULL
-- $13 jsonb       position, or NULL
-- $14 text        dominant color, or NULL
-- $15 bytea       ThumbHash, or NULL
-- created_at is the time of the statement, not of its transaction, which first wrote the bytes. So the order of the
-- commits is close to the order of created_at, for clients that poll for new images.
-- Index: images_content_sha256_key decides the conflict, one row.
-- example a new image: 'a.png', 'image/png', 1, 1, 1, sha256('new 1'), NULL, NULL, '{}', '{}', '{}', NULL, NULL, NULL, NULL
-- example bytes that are there: 'a', 'image/png', 1, 1, 1, sha256('7'), 'A', NULL, '{a}', '{}', '{}', NULL, NULL, NULL, NULL
INSERT INTO images (
    filename,
    content_type,
    byte_size,
    width,
    height,
    content_sha256,
    title,
    description,
    tags,
    attributes,
    capture,
    captured_at,
    location,
    color,
    thumbhash,
    created_at,
    updated_at
)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, moment, moment
FROM clock_timestamp() AS moment
ON CONFLICT DO NOTHING
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
