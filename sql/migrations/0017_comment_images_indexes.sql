-- Removes the comments of three indexes that no query uses, before the next migrations drop these indexes.
--
-- What:  no comment on the indexes by media type, document, and tags. A new comment on the primary key.
-- Why:   the lists by filters read image_terms and image_documents. This has its own file because the rollback of DROP
--        INDEX CONCURRENTLY builds the index again, and cannot add a comment in the same file. This file's rollback
--        can.
-- Locks: SHARE UPDATE EXCLUSIVE on each index for a catalog change: reads and writes continue.
-- Cost:  none.
-- depends: 0016_index_image_documents

COMMENT ON INDEX images_content_type_created_at_id_idx IS NULL;

COMMENT ON INDEX images_document_idx IS NULL;

COMMENT ON INDEX images_tags_idx IS NULL;

COMMENT ON INDEX images_pkey IS
    'One image by its id: get_image, update_image, delete_image; and each image of a page of the lists by filters.';
