-- list_contents: returns the storage keys of all images, page by page, for `images objects check`.
-- $1 text    the page begins with this SHA-256, or with the next one; '' for the first page
-- $2 bigint  maximum of rows; the last one begins the next page
-- Index: images_sha256_key, as many entries as the page has.
-- example first page: '', 50
-- example a page: encode(sha256('7'), 'hex'), 50
SELECT
    id,
    sha256,
    storage_key,
    byte_size
FROM images
WHERE sha256 >= $1
ORDER BY sha256
LIMIT $2;
