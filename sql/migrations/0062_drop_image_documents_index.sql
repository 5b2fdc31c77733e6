-- Drops the index of image_documents.
--
-- What:  image_documents_document_idx.
-- Why:   this release searches in image_words, and no older release runs. From here on an upload or an edit does not
--        write the index.
-- Locks: SHARE UPDATE EXCLUSIVE on image_documents: reads and writes continue, of images too.
-- Cost:  it waits for the transactions that use the table.
-- transactional: false
-- phase: contract
-- depends: 0061_index_image_words

DROP INDEX CONCURRENTLY IF EXISTS image_documents_document_idx;
