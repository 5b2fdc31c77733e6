-- Creates the index of the list by size.
--
-- What:  images (byte_size DESC, id DESC), with created_at in its entries.
-- Why:   GET /v1/images?sort=largest walks it. A page at any depth reads as many entries as the page has images. The
--        list is not sorted by created_at. With created_at in the entry, the query skips an image outside the requested
--        time without reading its row. It also finds the image's document, whose key is (created_at, id).
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The build waits twice for transactions that are
--        open already.
-- Cost:  two scans of the table, and a sort: 0.8 s and 47 MB for a million images. For ten million expect about ten
--        times as much. If it fails, see 0005.
-- transactional: false
-- depends: 0020_drop_images_tags_index

CREATE INDEX CONCURRENTLY images_byte_size_id_created_at_idx ON images
(byte_size DESC, id DESC)
INCLUDE (created_at);
