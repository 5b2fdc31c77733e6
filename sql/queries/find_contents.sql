-- find_contents: finds which contents in the object store belong to an image, and under which key the image expects
-- them, for `images objects check`.
-- $1 bytea[]  SHA-256 of each
-- Index: images_content_sha256_key, one entry for each.
-- example some: ARRAY[sha256('7'), sha256('8'), sha256('none')]
SELECT
    images_sha256_text(content_sha256) AS sha256,
    images_storage_key(content_sha256, own_key) AS storage_key
FROM images
WHERE content_sha256 = ANY ($1)
ORDER BY content_sha256;
