-- Drops the tags index of create_all(): image_terms and image_documents serve its lists.
--
-- What:  images_tags_idx is dropped.
-- Why:   no query uses it.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The drop waits for transactions that may use it.
-- Cost:  no scan. It cannot run in a transaction. With IF EXISTS an interrupted drop can be repeated.
-- transactional: false
-- depends: 0019_drop_images_document_index

DROP INDEX CONCURRENTLY IF EXISTS images_tags_idx;
