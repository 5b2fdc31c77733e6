-- Restores the comments of the indexes.
--
-- loses: nothing
-- Locks: SHARE UPDATE EXCLUSIVE on each index for a catalog change: reads and writes continue.
-- Cost:  none.

COMMENT ON INDEX images_pkey IS
    'One image by its id: get_image, update_image, delete_image.';

COMMENT ON INDEX images_tags_idx IS
    'Images that have all the given tags: list_images_by_tags and its sibling by content type.';

COMMENT ON INDEX images_document_idx IS
    'Full-text search over images_document(title, description, filename, tags).';

COMMENT ON INDEX images_content_type_created_at_id_idx IS
    'The newest-first list of one media type: list_images_by_content_type.';
