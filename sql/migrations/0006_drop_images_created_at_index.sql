-- Drops the index that 0005 replaced.
--
-- What:  ix_images_created_at is dropped.
-- Why:   images_created_at_id_idx has the same first column and serves every query that used this index. An unused
--        index still slows each INSERT, and takes cache from other data.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The drop waits for transactions that may use it.
-- Cost:  no scan. It cannot run in a transaction. With IF EXISTS an interrupted drop can be repeated.
-- transactional: false
-- depends: 0005_index_images_newest

DROP INDEX CONCURRENTLY IF EXISTS ix_images_created_at;
