-- Drops the index of sha256.
--
-- What:  images_sha256_key.
-- Why:   no query of this release uses it. images_content_sha256_key keeps the content unique.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue.
-- Cost:  it waits for the transactions that use the table.
-- transactional: false
-- phase: contract
-- depends: 0046_relax_images_sha256

-- allow: drop-breaks because images_content_sha256_key keeps the same values unique
DROP INDEX CONCURRENTLY IF EXISTS images_sha256_key;
