-- Drops the index of searches. A search for what few images match reads all documents from here on.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on image_documents; it waits for the transactions that may still use the index.
-- Cost:  no scan. IF EXISTS, so that it may be repeated when it was interrupted halfway.
-- transactional: false

DROP INDEX CONCURRENTLY IF EXISTS image_documents_document_idx;
