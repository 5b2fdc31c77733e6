-- Builds the index of the positions of the cameras.
--
-- What:  the points (longitude, latitude) of the images with a position.
-- Why:   GET /v1/images?bbox= finds the images of a small area in it. An image without a position has no entry.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The build waits twice for transactions that are
--        open already.
-- Cost:  two scans of the table, and a sort by place of the images with a position. If it fails, see 0005.
-- transactional: false
-- depends: 0066_index_images_captured

-- allow: failing-expression because only the service writes the two numbers of a position
CREATE INDEX CONCURRENTLY images_point_idx ON images
USING gist (point((location ->> 'longitude')::float8, (location ->> 'latitude')::float8))
WHERE location IS NOT NULL;
