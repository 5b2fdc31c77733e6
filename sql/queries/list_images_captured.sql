-- list_images_captured: returns a page of the list by time of capture, latest first, for GET /v1/images?sort=captured.
-- Images without a time of capture come last, newest first.
-- $1 timestamptz                     the page ends before this position: the time of capture, or '-infinity' without one;
-- $2 timestamptz, $3 uuid            the time of the upload, and the id; 'infinity' or similar for the first page
-- $4 timestamptz                     only images taken at this time or later; '-infinity' for all
-- $5 bigint                          maximum of rows
-- Index: images_captured_at_created_at_id_idx, backwards from the position on, as many entries as the page has.
-- example first page: 'infinity', 'infinity', md5('')::uuid, '-infinity', 50
-- example the last pages: '-infinity', '2020-01-01 08:00Z', md5('image 960')::uuid, '-infinity', 50
-- example a window: '2020-01-02 08:00Z', 'infinity', md5('')::uuid, '2020-01-01 04:00Z', 50
-- example no match: '1990-01-01Z', '-infinity', md5('image 1')::uuid, '1980-01-01Z', 50
SELECT
    row_to_json(image) AS image,
    page.key,
    page.stored_at AS created_at,
    page.image_id AS id
FROM (
    SELECT
        COALESCE(captured_at, '-infinity'::timestamptz) AS key,
        created_at AS stored_at,
        id AS image_id
    FROM images
    WHERE (COALESCE(captured_at, '-infinity'::timestamptz), created_at, id) < ($1, $2, $3)
        AND COALESCE(captured_at, '-infinity'::timestamptz) >= $4
    ORDER BY COALESCE(captured_at, '-infinity'::timestamptz) DESC, created_at DESC, id DESC
    LIMIT $5
) AS page
CROSS JOIN LATERAL (
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
    FROM images
    WHERE id = page.image_id
) AS image
ORDER BY page.key DESC, page.stored_at DESC, page.image_id DESC;
