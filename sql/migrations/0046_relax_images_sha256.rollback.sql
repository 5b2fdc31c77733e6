-- Makes sha256 and storage_key NOT NULL again, after the rollbacks of 0049 to 0047 have filled them.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images while three constraints are validated: reads and writes continue. Then ACCESS
--        EXCLUSIVE for a catalog change: a few milliseconds after it is granted.
-- Cost:  reads the table once: 1.3 s for 200,000 images.

ALTER TABLE images
    VALIDATE CONSTRAINT images_sha256_storage_key_check,
    VALIDATE CONSTRAINT images_sha256_check,
    VALIDATE CONSTRAINT images_storage_key_check;

COMMENT ON INDEX images_sha256_key IS 'One content, one row: insert_image, get_image_by_sha256.';

ALTER TABLE images
    -- allow: not-null-scan because the first statement has validated the CHECK that proves it
    ALTER COLUMN sha256 SET NOT NULL,
    -- allow: not-null-scan because the first statement has validated the CHECK that proves it
    ALTER COLUMN storage_key SET NOT NULL,
    DROP CONSTRAINT images_sha256_storage_key_check;
