-- get_content: where the bytes of an image are and how to serve them, for GET /v1/images/{id}/content.
-- $1 uuid  the id
-- Index: images_pkey.
-- example any: '00000000-0000-4000-8000-000000000000'
SELECT
    storage_key,
    content_type,
    filename,
    sha256
FROM images
WHERE id = $1;
