-- count_images_to_capture: counts the images whose bytes have not been read for metadata, up to a number, for the
-- progress of `images backfill capture`.
-- $1 bigint  the number at which it stops
-- Index: images_content_sha256_idx, at most $1 entries.
-- example a thousand: 1000
SELECT count(*) AS images
FROM (
    SELECT
    FROM images
    WHERE capture IS NULL
        AND content_sha256 > ''
    LIMIT $1
) AS images_to_capture;
