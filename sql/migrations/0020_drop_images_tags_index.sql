-- Drops the index that create_all() made, whose lists image_terms and image_documents serve.
--
-- What:  images_tags_idx goes.
-- Why:   no query uses it.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes go on; it waits for the transactions that may use it.
-- Cost:  no scan. It cannot run in a transaction; IF EXISTS lets an interrupted drop be repeated.
-- transactional: false
-- depends: 0019_drop_images_document_index

DROP INDEX CONCURRENTLY IF EXISTS images_tags_idx;
