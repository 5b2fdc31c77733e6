-- The index of the list by name.
--
-- What:  images (filename, id) in the order of the characters' numbers, with created_at in its entries, as in 0021.
-- Why:   GET /v1/images?sort=name walks it. COLLATE "C", because the order is part of each cursor: the order of a
--        language differs from database to database, and changes with the operating system under an index that does not.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes go on. It waits twice for transactions already open.
-- Cost:  two scans of the table, and a sort: 1.1 s and 56 MB for a million images with names of 15 characters. From now on
--        an edit of the file name, and of nothing else, writes an entry into each index of images. Should it fail, see
--        0005.
-- transactional: false
-- depends: 0021_index_images_largest

CREATE INDEX CONCURRENTLY images_filename_id_created_at_idx ON images
(filename COLLATE "C", id)
INCLUDE (created_at);
