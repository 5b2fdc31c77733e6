-- Drops the index that 0005 replaced.
--
-- What:  ix_images_created_at goes.
-- Why:   every query it served is served by images_created_at_id_idx, whose first column is the same. An index that
--        nobody needs still costs each INSERT, and keeps its share of the cache from others.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes go on; it waits for the transactions that may use it.
-- Cost:  no scan. It cannot run in a transaction; IF EXISTS lets an interrupted drop be repeated.
-- transactional: false
-- depends: 0005_index_images_newest

DROP INDEX CONCURRENTLY IF EXISTS ix_images_created_at;
