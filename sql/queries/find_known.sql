-- find_known: finds which records the catalogue has already, by their bytes or by their id, for POST /v1/images/import.
-- $1 bytea[]  SHA-256 of each
-- $2 uuid[]   the ids, of the records that have one
-- Index: images_content_sha256_key, then images_pkey, one entry for each record.
-- example new ones: ARRAY[sha256('none'), sha256('x')], ARRAY[md5('no image')::uuid]
-- example known ones: ARRAY[sha256('7'), sha256('8')], ARRAY[md5('image 1')::uuid]
SELECT
    content_sha256,
    id
FROM images
WHERE content_sha256 = ANY ($1)

UNION

SELECT
    content_sha256,
    id
FROM images
WHERE id = ANY ($2);
