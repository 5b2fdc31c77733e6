-- The index of the list by size.
--
-- What:  images (byte_size DESC, id DESC), with created_at in its entries.
-- Why:   GET /v1/images?sort=largest walks it, a page at any depth as many entries as the page has images. created_at
--        is not sorted by: with it an image outside the times that are asked for is passed over without reading its row,
--        and the document of one inside them is found (its key is created_at, id).
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes go on. It waits twice for transactions already open.
-- Cost:  two scans of the table, and a sort: 0.8 s and 47 MB for a million images. Should it fail, see 0005.
-- transactional: false
-- depends: 0020_drop_images_tags_index

CREATE INDEX CONCURRENTLY images_byte_size_id_created_at_idx ON images
(byte_size DESC, id DESC)
INCLUDE (created_at);
