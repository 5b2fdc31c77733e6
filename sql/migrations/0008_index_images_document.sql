-- The index of full-text search.
--
-- What:  GIN over images_document(title, description, filename, tags).
-- Why:   WHERE images_document(title, description, filename, tags) @@ websearch_to_tsquery('simple', ...) reads the
--        rows that match, not the table.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes go on. It waits twice for transactions already open.
-- Cost:  two scans of the table, each with all its text parsed: 11 s and 74 MB for a million rows, half
--        of which have a title and a third a description; the dearest of this chain.
--        Each INSERT, and each UPDATE of one of the four columns, parses that row's text once more.
--        Should it fail, see 0005.
-- transactional: false
-- depends: 0007_create_images_document

CREATE INDEX CONCURRENTLY images_document_idx ON images
USING gin (images_document(title, description, filename, tags));
