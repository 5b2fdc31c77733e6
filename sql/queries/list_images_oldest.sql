-- list_images_oldest: returns a page of the oldest-first list, for GET /v1/images?sort=oldest.
-- $1 timestamptz, $2 uuid  the page begins after this position; '-infinity' or similar for the first page
-- $3 timestamptz, $4 uuid  and ends before this position; 'infinity' or similar for no limit
-- $5 bigint                maximum of rows
-- Index: images_created_at_id_idx, from the position on, as many entries as the page has.
-- example first page: '-infinity', md5('')::uuid, 'infinity', md5('')::uuid, 50
-- example the last pages: '2020-12-12 08:00Z', md5('image 960')::uuid, 'infinity', md5('')::uuid, 50
-- example a window: '2020-01-01 04:00Z', md5('image 960')::uuid, '2020-01-01 08:00Z', md5('')::uuid, 50
-- example no match: '2040-01-01Z', md5('image 1')::uuid, 'infinity', md5('')::uuid, 50
SELECT row_to_json(image) AS image
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
    FROM images
    WHERE (created_at, id) > ($1, $2)
        AND (created_at, id) < ($3, $4)
    ORDER BY created_at, id
    LIMIT $5
) AS image
ORDER BY created_at, id;
