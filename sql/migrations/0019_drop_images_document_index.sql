-- Drops the index of 0008: image_documents serves its searches.
--
-- What:  images_document_idx is dropped.
-- Why:   no query uses it. With it each edit of a title wrote an entry into every index of images, and parsed the text
--        once more. Without it PostgreSQL updates such a row in place.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The drop waits for transactions that may use it.
-- Cost:  no scan. It cannot run in a transaction. With IF EXISTS an interrupted drop can be repeated.
-- transactional: false
-- depends: 0018_drop_images_content_type_index

DROP INDEX CONCURRENTLY IF EXISTS images_document_idx;
