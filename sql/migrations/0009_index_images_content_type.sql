-- The index of the newest-first list of one media type.
--
-- What:  images (content_type, created_at DESC, id DESC).
-- Why:   GET /v1/images?content_type=... would walk the newest-first index past every image of another type, and for
--        a type that nothing has past all of them.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes go on. It waits twice for transactions already open.
-- Cost:  two scans of the table, and a sort: 1 s and 56 MB for a million rows.
--        Should it fail, see 0005.
-- transactional: false
-- depends: 0008_index_images_document

CREATE INDEX CONCURRENTLY images_content_type_created_at_id_idx ON images
(content_type, created_at DESC, id DESC);
