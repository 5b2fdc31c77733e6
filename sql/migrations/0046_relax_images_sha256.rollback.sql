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
    ALTER COLUMN sha256 SET NOT NULL,
    ALTER COLUMN storage_key SET NOT NULL;

-- A statement of its own: within one, PostgreSQL drops first, and would read the table for want of the proof.
ALTER TABLE images DROP CONSTRAINT images_sha256_storage_key_check;
