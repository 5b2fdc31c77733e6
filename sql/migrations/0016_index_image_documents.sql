-- The index of searches.
--
-- What:  GIN over image_documents.document.
-- Why:   WHERE document @@ '...' reads the images that match, whatever of words, tags and type the search is made of.
--        gin_pending_list_limit: each look-up reads the whole list of what is not sorted in yet; with the usual 4 MB
--        that is half a millisecond more, while many write.
-- Locks: SHARE UPDATE EXCLUSIVE on image_documents: reads and writes go on, of images too. It waits twice for
--        transactions already open.
-- Cost:  two scans of image_documents: 7 s and 90 MB for a million images. Should it fail, see 0005.
-- transactional: false
-- depends: 0015_fill_image_terms

CREATE INDEX CONCURRENTLY image_documents_document_idx ON image_documents
USING gin (document)
WITH (gin_pending_list_limit = 512);
