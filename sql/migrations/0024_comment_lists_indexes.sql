-- Adds comments that explain the indexes of the lists.
--
-- What:  a comment on each of the three new indexes, and another on two indexes that serve more lists than before.
-- Why:   this has its own file because a build CONCURRENTLY must be the only statement of its file.
-- Locks: SHARE UPDATE EXCLUSIVE on each index for a catalog change: reads and writes continue.
-- Cost:  none.
-- depends: 0023_index_image_terms_term

COMMENT ON INDEX images_byte_size_id_created_at_idx IS
    'The largest-first list and its keyset pages: list_images_largest, list_images_largest_matching.';

COMMENT ON INDEX images_filename_id_created_at_idx IS
    'The list by name and its keyset pages: list_images_by_name, list_images_by_name_matching.';

COMMENT ON INDEX image_terms_term_idx IS
    'The tags with a prefix, and how many images have each: list_tags; the same of media types: read_stats.';

COMMENT ON INDEX images_created_at_id_idx IS
    'The newest-first and, read backwards, the oldest-first list, and the images of a time: list_images, '
    'list_images_oldest, list_images_largest, list_images_by_name, read_stats.';

COMMENT ON INDEX image_documents_pkey IS
    'The newest and the oldest documents, and that of one image: list_images_by_words and the lists by filters.';
