-- Vacuums images, after the backfill of 0041 has left a dead version of each row.
--
-- What:  VACUUM. Its rollback fills sha256 and storage_key again, in batches that commit.
-- Why:   the space of the dead versions is free for new rows at once, and index-only scans need not read the table.
--        It runs after 0047, so it has one index less to clean.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue.
-- Cost:  reads the pages that autovacuum has not vacuumed since 0041, and then each index once.
-- transactional: false
-- phase: contract
-- depends: 0047_drop_images_sha256_index

VACUUM images;
