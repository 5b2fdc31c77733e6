-- export_images_captured: returns all images of a period that match, newest first. It is for GET /v1/images/export
-- and `images export` with filters of capture metadata. prepare_export has set the period and the filters. It is the
-- query in COPY (...) TO STDOUT.
-- Index: images_created_at_id_idx, a full scan: as many entries as the period has images. If there are terms or words,
-- image_words_pkey for each image that the other filters leave.
WITH asked AS MATERIALIZED (
    SELECT
        NULLIF(current_setting('images.captured_after', true), '')::timestamptz AS captured_after,
        NULLIF(current_setting('images.captured_before', true), '')::timestamptz AS captured_before,
        NULLIF(current_setting('images.camera', true), '') AS camera,
        NULLIF(current_setting('images.west', true), '')::float8[] AS west,
        NULLIF(current_setting('images.east', true), '')::float8[] AS east,
        NULLIF(current_setting('images.south', true), '')::float8 AS south,
        NULLIF(current_setting('images.north', true), '')::float8 AS north,
        current_setting('images.has_query', true) = 'yes' AS has_query,
        NULLIF(current_setting('images.query', true), '')::tsquery AS query
)

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
        images.created_at,
        updated_at,
        color,
        encode(thumbhash, 'base64') AS thumbhash,
        capture,
        CASE WHEN current_setting('images.shows_location', true) = 'yes' THEN location END AS location,
        attributes
    FROM images
    CROSS JOIN asked
    WHERE images.created_at >= NULLIF(current_setting('images.created_after', true), '')::timestamptz
        AND images.created_at <= NULLIF(current_setting('images.created_before', true), '')::timestamptz
        AND (captured_after IS NULL OR captured_at > captured_after)
        AND (captured_before IS NULL OR captured_at < captured_before)
        AND (camera IS NULL OR lower(capture ->> 'model') COLLATE "C" = camera)
        AND (
            cardinality(west) = 0
            OR EXISTS (
                SELECT
                FROM unnest(west, east) AS part (west, east)
                WHERE point((location ->> 'longitude')::float8, (location ->> 'latitude')::float8)
                    <@ box(point(part.west, south), point(part.east, north))
            )
        )
        AND (
            NOT has_query
            OR (
                SELECT words @@ query
                FROM image_words
                WHERE image_words.created_at = images.created_at
                    AND image_id = id
                LIMIT 1
            )
        )
    ORDER BY images.created_at DESC, id DESC
) AS image;
