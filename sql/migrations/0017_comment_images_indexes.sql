-- Takes leave of three indexes that no query stands on any more: their comments go before they do.
--
-- What:  no comment on the indexes by media type, document and tags; another on the primary key.
-- Why:   the lists by filters read image_terms and image_documents. In a file of its own, since the rollback of a DROP
--        INDEX CONCURRENTLY builds the index again, and can say nothing of it in the same file: this one's rollback does.
-- Locks: SHARE UPDATE EXCLUSIVE on each index, for the catalogue alone: reads and writes go on.
-- Cost:  none.
-- depends: 0016_index_image_documents

COMMENT ON INDEX images_content_type_created_at_id_idx IS NULL;

COMMENT ON INDEX images_document_idx IS NULL;

COMMENT ON INDEX images_tags_idx IS NULL;

COMMENT ON INDEX images_pkey IS
    'One image by its id: get_image, update_image, delete_image; and each image of a page of the lists by filters.';
