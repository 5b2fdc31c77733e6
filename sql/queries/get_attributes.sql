-- get_attributes: what a merge patch of the attributes starts from, for PATCH /v1/images/{id}.
-- $1 uuid  the id
-- Index: images_pkey.
-- example an image: md5('image 1')::uuid
-- example no such image: md5('no image')::uuid
SELECT
    attributes,
    updated_at
FROM images
WHERE id = $1;
