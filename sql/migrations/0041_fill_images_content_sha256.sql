-- Fills content_sha256 and own_key of the images that were there before the trigger.
--
-- What:  both columns, from sha256 and storage_key, in batches that commit. The trigger of 0040 writes them in new rows.
-- Why:   the batches go through the images from the oldest to the newest, as they lie in the table.
--        The statement reads its range as settings. Stock yoyo sets none, and so fills all images in one transaction.
-- Locks: the rows of one batch, for 50 ms. An edit or a DELETE of one of them waits that long.
-- Cost:  110 s and 222 MB of WAL for 200,000 images, on two cores with ten other processes. It leaves a dead version of
--        each row: the table then has 181 MB, and 87 before. All grows with the number of images.
-- backfill: images
-- depends: 0040_create_images_content_trigger

UPDATE images
SET
    content_sha256 = images_sha256_bytes(sha256),
    own_key = CASE
        WHEN octet_length(images_sha256_bytes(sha256)) > 32
            OR storage_key <> images_storage_key(images_sha256_bytes(sha256), NULL)
            THEN storage_key
    END
WHERE (created_at, id) BETWEEN (
    COALESCE(NULLIF(current_setting('backfill.p1', true), ''), '-infinity')::timestamptz,
    COALESCE(NULLIF(current_setting('backfill.p2', true), ''), '00000000-0000-0000-0000-000000000000')::uuid
) AND (
    COALESCE(NULLIF(current_setting('backfill.p3', true), ''), 'infinity')::timestamptz,
    COALESCE(NULLIF(current_setting('backfill.p4', true), ''), 'ffffffff-ffff-ffff-ffff-ffffffffffff')::uuid
)
    AND content_sha256 IS NULL;
