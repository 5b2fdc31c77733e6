-- find_contents: which of some bytes in the object store are of an image, and where it has them, for `images objects check`.
-- $1 text[]  SHA-256 of each, in lower-case hexadecimal
-- Index: images_sha256_key, an entry for each.
-- example some: ARRAY[encode(sha256('7'), 'hex'), encode(sha256('8'), 'hex'), encode(sha256('none'), 'hex')]
SELECT
    sha256,
    storage_key
FROM images
WHERE sha256 = ANY ($1)
ORDER BY sha256;
