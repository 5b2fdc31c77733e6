-- get_image: returns one image by its id, for GET and PATCH /v1/images/{id}.
-- $1 uuid     the id
-- $2 integer  the number of the call, which is returned: several may go out together (Pool.fetch_by_id)
-- Index: images_pkey, one row.
-- example an image: md5('image 1')::uuid, 1
-- example no such image: md5('no image')::uuid, 1
SELECT
    $2::integer AS number,
    updated_at,
    row_to_json(image) AS image
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
    WHERE id = $1
) AS image;
