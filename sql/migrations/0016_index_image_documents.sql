-- The index of searches.
--
-- What:  GIN over image_documents.document.
-- Why:   WHERE document @@ '...' reads the images that match, whatever of words, tags and type the search is made of.
--        fastupdate = off: otherwise entries first gather in a list, which each search reads from end to end, and which
--        now and then a writer has to sort in: with a list of 512 kB p99 of an edit was 40 ms under load, without one
--        15 ms. The price is 0.07 ms more for each edit of a title, and a quarter more for an import.
-- Locks: SHARE UPDATE EXCLUSIVE on image_documents: reads and writes go on, of images too. It waits twice for
--        transactions already open.
-- Cost:  two scans of image_documents: 7 to 15 s and 82 MB for a million images. Should it fail, see 0005.
-- transactional: false
-- depends: 0015_fill_image_terms

CREATE INDEX CONCURRENTLY image_documents_document_idx ON image_documents
USING gin (document)
WITH (fastupdate = off);
