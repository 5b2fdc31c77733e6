-- Drops sha256 and storage_key, and the trigger that kept them in step.
--
-- What:  two columns with their CHECKs, a trigger, and its function.
-- Why:   content_sha256 and own_key say the same.
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: a few milliseconds after it is granted.
-- Cost:  the same for any number of rows. The values stay in present rows until these are written again.
-- phase: contract
-- depends: 0048_vacuum_images

-- allow: trigger-off because the columns that it writes are dropped below
DROP TRIGGER images_keep_content ON images;

DROP FUNCTION images_keep_content();

ALTER TABLE images
    -- allow: drop-loses because content_sha256 has the same value
    DROP COLUMN sha256,
    -- allow: drop-loses because content_sha256 and own_key give the same value
    DROP COLUMN storage_key;

COMMENT ON TABLE images IS
    'One row for each distinct content: the same bytes are stored once. The row is the truth; the bytes '
    'lie in the object store under images_storage_key(content_sha256, own_key), written before the row is '
    'committed and removed after it is gone.';
