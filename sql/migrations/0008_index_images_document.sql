-- Creates the index of full-text search.
--
-- What:  GIN over images_document(title, description, filename, tags).
-- Why:   WHERE images_document(title, description, filename, tags) @@ websearch_to_tsquery('simple', ...) then reads
--        only the matching rows, not the table.
-- Locks: SHARE UPDATE EXCLUSIVE on images: reads and writes continue. The build waits twice for transactions that are
--        open already.
-- Cost:  two scans of the table, which parse all its text: 11 s and 74 MB for a million rows. Half of those rows have a
--        title, and a third have a description. For ten million rows expect two minutes. This is the slowest migration
--        of the first ten. Each INSERT, and each UPDATE of one of the four columns, parses that row's text once more.
--        If it fails, see 0005.
-- transactional: false
-- depends: 0007_create_images_document

CREATE INDEX CONCURRENTLY images_document_idx ON images
USING gin (images_document(title, description, filename, tags));
