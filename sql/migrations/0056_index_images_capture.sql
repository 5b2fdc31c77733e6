-- Builds the index by which `images backfill capture` finds the images whose bytes have not been read for metadata.
--
-- What:  images (content_sha256) of the rows whose capture is NULL.
-- Why:   the command takes them in the order of their hashes. An uploaded image has no entry, and one that is done loses
--        its entry. So the next run begins at once with the images that are left, and the index becomes small.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The build waits twice for transactions that are
--        open already.
-- Cost:  two scans of the table, and a sort: as 0050 for as many rows. If it fails, see 0005.
-- transactional: false
-- depends: 0055_add_images_capture

CREATE INDEX CONCURRENTLY images_content_sha256_idx ON images (content_sha256)
WHERE capture IS NULL;
