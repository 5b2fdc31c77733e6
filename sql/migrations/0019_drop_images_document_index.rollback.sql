-- Builds the index again.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes go on. It waits twice for transactions already open.
-- Cost:  two scans of the table, each with all its text parsed, as for 0008.
-- transactional: false

CREATE INDEX CONCURRENTLY images_document_idx ON images
USING gin (images_document(title, description, filename, tags));
