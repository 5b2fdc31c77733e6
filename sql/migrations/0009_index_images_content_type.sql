-- Creates the index of the newest-first list of one media type.
--
-- What:  images (content_type, created_at DESC, id DESC).
-- Why:   without it GET /v1/images?content_type=... walks the newest-first index past every image of another type. For
--        a type that no image has, it walks past all of them.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The build waits twice for transactions that are
--        open already.
-- Cost:  two scans of the table, and a sort: 1 s and 56 MB for a million rows. For ten million rows expect about ten
--        times as much. If it fails, see 0005.
-- transactional: false
-- depends: 0008_index_images_document

CREATE INDEX CONCURRENTLY images_content_type_created_at_id_idx ON images
(content_type, created_at DESC, id DESC);
