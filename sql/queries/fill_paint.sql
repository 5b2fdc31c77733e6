-- fill_paint: writes the first paint of an image, for GET /v1/images/{id}/thumbnail, when its first thumbnail is made. It
-- returns no row if the image has one already, or does not exist.
-- $1 uuid   the id
-- $2 text   dominant color
-- $3 bytea  ThumbHash
-- The image keeps its version: otherwise a client that has seen the image, and then its thumbnail, could not change it.
-- Index: images_pkey, one row. The update is HOT, because no index has these columns, and no trigger runs.
-- example an image: md5('image 1')::uuid, '#c81e1e', '\x00'
-- example no such image: md5('no image')::uuid, '#c81e1e', '\x00'
UPDATE images
SET
    color = $2,
    thumbhash = $3
WHERE id = $1
    AND thumbhash IS NULL
RETURNING id;
