-- Builds the index again.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The build waits twice for transactions that are
--        open already.
-- Cost:  two scans of the table: a second and 10 MB for a million rows, and about ten times that for ten million.
-- transactional: false

CREATE INDEX CONCURRENTLY images_tags_idx ON images
USING gin (tags);
