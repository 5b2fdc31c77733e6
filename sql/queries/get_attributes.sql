-- get_attributes: returns the attributes to which a merge patch applies, for PATCH /v1/images/{id}.
-- $1 uuid     the id
-- $2 integer  the number of the call, which is returned: several may go out together (Pool.fetch_by_id)
-- Index: images_pkey, one row.
-- example an image: md5('image 1')::uuid, 1
-- example no such image: md5('no image')::uuid, 1
SELECT
    $2::integer AS number,
    attributes,
    updated_at
FROM images
WHERE id = $1;
