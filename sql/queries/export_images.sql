-- export_images: returns all images of a period, newest first, for GET /v1/images/export and `images export` without
-- filters. prepare_export has set the period. It is the query in COPY (...) TO STDOUT.
-- Index: images_created_at_id_idx, a full scan: as many entries as there are images. A million images take 9 s, most of
-- it to build the JSON.
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
        CASE WHEN current_setting('images.shows_location', true) = 'yes' THEN location END AS location,
        attributes
    FROM images
    WHERE created_at >= NULLIF(current_setting('images.created_after', true), '')::timestamptz
        AND created_at <= NULLIF(current_setting('images.created_before', true), '')::timestamptz
    ORDER BY created_at DESC, id DESC
) AS image;
