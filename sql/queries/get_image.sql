-- get_image: one image by its id, for GET and PATCH /v1/images/{id}.
-- $1 uuid  the id
-- Index: images_pkey.
-- example an image: md5('image 1')::uuid
-- example no such image: md5('no image')::uuid
SELECT
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
        sha256,
        title,
        description,
        tags,
        created_at,
        updated_at,
        attributes
    FROM images
    WHERE id = $1
) AS image;
