-- find_contents: finds which contents in the object store belong to an image, and under which key the image expects
-- them, for `images objects check`.
-- $1 text[]  SHA-256 of each, in lower-case hexadecimal
-- Index: images_sha256_key, one entry for each.
-- example some: ARRAY[encode(sha256('7'), 'hex'), encode(sha256('8'), 'hex'), encode(sha256('none'), 'hex')]
SELECT
    sha256,
    storage_key
FROM images
WHERE sha256 = ANY ($1)
ORDER BY sha256;
