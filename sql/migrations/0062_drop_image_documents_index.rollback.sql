-- Builds the index again. The rollback of 0063 has filled the table.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on image_documents: reads and writes continue, of images too.
-- Cost:  as 0016: two scans of image_documents, 7 to 15 s and 82 MB for a million images.
-- transactional: false

CREATE INDEX CONCURRENTLY image_documents_document_idx ON image_documents
USING gin (document)
WITH (fastupdate = off);
