-- list_contents: returns the storage keys of all images, page by page, for `images objects check`.
-- $1 bytea   the page begins with this content_sha256, or with the next one; '' for the first page
-- $2 bigint  maximum of rows; the last one begins the next page
-- Index: images_content_sha256_key, as many entries as the page has.
-- example first page: '', 50
-- example a page: sha256('7'), 50
SELECT
    id,
    content_sha256,
    images_sha256_text(content_sha256) AS sha256,
    images_storage_key(content_sha256, own_key) AS storage_key,
    byte_size
FROM images
WHERE content_sha256 >= $1
ORDER BY content_sha256
LIMIT $2;
