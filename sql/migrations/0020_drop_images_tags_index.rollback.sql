-- Builds the index again.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes go on. It waits twice for transactions already open.
-- Cost:  two scans of the table, and 10 MB: a second for a million rows.
-- transactional: false

CREATE INDEX CONCURRENTLY images_tags_idx ON images
USING gin (tags);
