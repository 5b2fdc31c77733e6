-- export_images_matching: returns all images of a period that match, newest first. It is for GET /v1/images/export
-- and `images export` with filters. prepare_export has set the period and the query. It is the query in COPY (...) TO
-- STDOUT.
-- Index: image_words_words_idx if few images match, otherwise a full scan of image_words. For the matches
-- images_pkey, or a scan of images. The matches are sorted.
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
    FROM image_words
    JOIN images ON id = image_id
    WHERE words @@ NULLIF(current_setting('images.query', true), '')::tsquery
        AND image_words.created_at >= NULLIF(current_setting('images.created_after', true), '')::timestamptz
        AND image_words.created_at <= NULLIF(current_setting('images.created_before', true), '')::timestamptz
    ORDER BY image_words.created_at DESC, image_id DESC
) AS image;
