-- export_images: all images of a time, newest first, for GET /v1/images/export and `images export` without filters.
-- prepare_export has set the time. It is the inside of COPY (...) TO STDOUT.
-- Index: images_created_at_id_idx, read from end to end: as many entries as there are images. A million of them take 9 s,
-- most of it the making of the JSON.
SELECT row_to_json(image)
FROM (
    SELECT
        id,
        filename,
        content_type,
        byte_size,
        width,
        height,
        sha256,
        title,
        description,
        tags,
        created_at,
        updated_at,
        attributes
    FROM images
    WHERE created_at > NULLIF(current_setting('images.created_after', true), '')::timestamptz
        AND created_at < NULLIF(current_setting('images.created_before', true), '')::timestamptz
    ORDER BY created_at DESC, id DESC
) AS image;
