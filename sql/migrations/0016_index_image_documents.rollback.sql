-- Drops the index of searches. From here on a search that few images match reads all documents.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on image_documents. The drop waits for the transactions that may still use the index.
-- Cost:  no scan. With IF EXISTS an interrupted drop can be repeated.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS image_documents_document_idx;
