-- Restores the comments of two indexes, and removes those of the three others.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on each index for a catalog change: reads and writes continue.
-- Cost:  none.

COMMENT ON INDEX image_documents_pkey IS
    'The newest documents, and that of one image: list_images_by_words, list_images_by_terms.';

COMMENT ON INDEX images_created_at_id_idx IS
    'The newest-first list and its keyset pages: list_images.';

COMMENT ON INDEX image_terms_term_idx IS NULL;

COMMENT ON INDEX images_filename_id_created_at_idx IS NULL;

COMMENT ON INDEX images_byte_size_id_created_at_idx IS NULL;
