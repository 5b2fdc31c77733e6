-- find_known: finds which records the catalogue has already, by their bytes or by their id, for POST /v1/images/import.
-- $1 text[]  SHA-256 of each, in lower-case hexadecimal
-- $2 uuid[]  the ids, of the records that have one
-- Index: images_sha256_key, then images_pkey, one entry for each record.
-- example new ones: ARRAY[encode(sha256('none'), 'hex'), encode(sha256('x'), 'hex')], ARRAY[md5('no image')::uuid]
-- example known ones: ARRAY[encode(sha256('7'), 'hex'), encode(sha256('8'), 'hex')], ARRAY[md5('image 1')::uuid]
SELECT
    sha256,
    id
FROM images
WHERE sha256 = ANY ($1)

UNION

SELECT
    sha256,
    id
FROM images
WHERE id = ANY ($2);
