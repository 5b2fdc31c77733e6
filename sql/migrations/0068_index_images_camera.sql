-- Builds the index of the models of the cameras.
--
-- What:  the model in small letters, of the images that have one.
-- Why:   GET /v1/images?camera= finds the images of a rare camera in it. An image without a model has no entry. Equal
--        models share the text in an entry.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The build waits twice for transactions that are
--        open already.
-- Cost:  two scans of the table, and a sort of the images with a model. If it fails, see 0005.
-- transactional: false
-- depends: 0067_index_images_location

CREATE INDEX CONCURRENTLY images_camera_idx ON images (lower(capture ->> 'model') COLLATE "C")
WHERE capture ->> 'model' IS NOT NULL;
