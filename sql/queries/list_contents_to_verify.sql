-- list_contents_to_verify: returns all images with the time of their last check, page by page, for `images objects check
-- --verify`. The caller skips those that were verified lately, so that each page costs the same.
-- $1 bytea   the page begins with this content_sha256, or with the next one; '' for the first page
-- $2 bigint  maximum of rows; the last one begins the next page
-- Index: images_content_sha256_key, as many entries as the page has; content_checks_pkey, twice one entry for each.
-- example first page: '', 50
-- example a page: sha256('7'), 50
SELECT
    page.id,
    page.content_sha256,
    images_sha256_text(page.content_sha256) AS sha256,
    images_storage_key(page.content_sha256, page.own_key) AS storage_key,
    page.byte_size,
    (
        SELECT checked_at
        FROM content_checks
        WHERE content_checks.sha256 = images_sha256_text(page.content_sha256)
    ) AS checked_at,
    (
        SELECT fault
        FROM content_checks
        WHERE content_checks.sha256 = images_sha256_text(page.content_sha256)
    ) AS fault
FROM (
    SELECT
        id,
        content_sha256,
        own_key,
        byte_size
    FROM images
    WHERE content_sha256 >= $1
    ORDER BY content_sha256
    LIMIT $2
) AS page
ORDER BY page.content_sha256;
