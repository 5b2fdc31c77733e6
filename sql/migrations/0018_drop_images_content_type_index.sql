-- Drops the index of 0009: image_terms serves its lists.
--
-- What:  images_content_type_created_at_id_idx is dropped.
-- Why:   no query uses it, because a media type is now a term like a tag. It slowed each INSERT, and had 56 MB for a
--        million rows.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The drop waits for transactions that may use it.
-- Cost:  no scan. It cannot run in a transaction. With IF EXISTS an interrupted drop can be repeated.
-- transactional: false
-- depends: 0017_comment_images_indexes

DROP INDEX CONCURRENTLY IF EXISTS images_content_type_created_at_id_idx;
