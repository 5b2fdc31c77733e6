-- list_contents_to_verify: returns all images with the time of their last check, page by page, for `images objects check
-- --verify`. The caller skips those that were verified lately, so that each page costs the same.
-- $1 text    the page begins with this SHA-256, or with the next one; '' for the first page
-- $2 bigint  maximum of rows; the last one begins the next page
-- Index: images_sha256_key, as many entries as the page has; content_checks_pkey, twice one entry for each.
-- example first page: '', 50
-- example a page: encode(sha256('7'), 'hex'), 50
SELECT
    page.id,
    page.sha256,
    page.storage_key,
    page.byte_size,
    (SELECT checked_at FROM content_checks WHERE content_checks.sha256 = page.sha256) AS checked_at,
    (SELECT fault FROM content_checks WHERE content_checks.sha256 = page.sha256) AS fault
FROM (
    SELECT
        id,
        sha256,
        storage_key,
        byte_size
    FROM images
    WHERE sha256 >= $1
    ORDER BY sha256
    LIMIT $2
) AS page
ORDER BY page.sha256;
