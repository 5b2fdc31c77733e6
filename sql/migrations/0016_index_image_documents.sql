-- Creates the index of searches.
--
-- What:  GIN over image_documents.document.
-- Why:   WHERE document @@ '...' then reads only the images that match, for any mix of words, tags, and type.
--        fastupdate = off: otherwise new entries first go to a list. Each search reads it from end to end, and a writer
--        sometimes has to sort it into the index. With a list of 512 kB the p99 of an edit was 40 ms under load,
--        without one 15 ms. Without the list each edit of a title takes 0.07 ms longer, and an import a quarter longer.
-- Locks: SHARE UPDATE EXCLUSIVE on image_documents: reads and writes continue, of images too. The build waits twice for
--        transactions that are open already.
-- Cost:  two scans of image_documents: 7 to 15 s and 82 MB for a million images. For ten million expect about ten times
--        as much. If it fails, see 0005.
-- transactional: false
-- depends: 0015_fill_image_terms

CREATE INDEX CONCURRENTLY image_documents_document_idx ON image_documents
USING gin (document)
WITH (fastupdate = off);
