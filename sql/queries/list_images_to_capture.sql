-- list_images_to_capture: returns images whose bytes have not been read for metadata, page by page, for
-- `images backfill capture`. Adopted images without a SHA-256 are among them: their storage key is their own.
-- $1 bytea   the page begins after this content_sha256; '' for the first page
-- $2 bigint  maximum of rows
-- Index: images_content_sha256_idx, as many entries as the page has.
-- example first page: '', 50
-- example no more: '\xff', 50
SELECT
    id,
    content_sha256,
    images_sha256_text(content_sha256) AS sha256,
    images_storage_key(content_sha256, own_key) AS storage_key,
    byte_size
FROM images
WHERE capture IS NULL
    AND content_sha256 > $1
ORDER BY content_sha256
LIMIT $2;
