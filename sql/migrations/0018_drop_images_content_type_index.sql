-- Drops the index that 0009 made, whose lists image_terms serves.
--
-- What:  images_content_type_created_at_id_idx goes.
-- Why:   no query uses it: a media type is a term like a tag. It cost each INSERT, and 56 MB for a million rows.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes go on; it waits for the transactions that may use it.
-- Cost:  no scan. It cannot run in a transaction; IF EXISTS lets an interrupted drop be repeated.
-- transactional: false
-- depends: 0017_comment_images_indexes

DROP INDEX CONCURRENTLY IF EXISTS images_content_type_created_at_id_idx;
