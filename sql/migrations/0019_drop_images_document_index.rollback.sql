-- Builds the index again.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The build waits twice for transactions that are
--        open already.
-- Cost:  two scans of the table, which parse all its text, as in 0008.
-- transactional: false

CREATE INDEX CONCURRENTLY images_document_idx ON images
USING gin (images_document(title, description, filename, tags));
