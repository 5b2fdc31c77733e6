-- get_content: where the bytes of an image are and how to serve them, for GET /v1/images/{id}/content.
-- $1 uuid  the id
-- Index: images_pkey.
-- example an image: md5('image 1')::uuid
-- example no such image: md5('no image')::uuid
SELECT
    storage_key,
    content_type,
    filename,
    sha256
FROM images
WHERE id = $1;
