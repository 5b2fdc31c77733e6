-- Drops the index that 0008 made, whose searches image_documents serves.
--
-- What:  images_document_idx goes.
-- Why:   no query uses it. While it was there, each edit of a title wrote an entry into every index of images, and parsed
--        the text once more: now such a row is updated in place.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes go on; it waits for the transactions that may use it.
-- Cost:  no scan. It cannot run in a transaction; IF EXISTS lets an interrupted drop be repeated.
-- transactional: false
-- depends: 0018_drop_images_content_type_index

DROP INDEX CONCURRENTLY IF EXISTS images_document_idx;
