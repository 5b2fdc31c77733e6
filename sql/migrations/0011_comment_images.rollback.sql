-- Removes the comments.
--
-- loses: nothing (the words are in 0011_comment_images.sql)
-- Locks: SHARE UPDATE EXCLUSIVE on images and on each index for a catalog change: reads and writes continue.
-- Cost:  none.

COMMENT ON FUNCTION images_document(text, text, text, text[]) IS NULL;

COMMENT ON CONSTRAINT images_title_check ON images IS NULL;

COMMENT ON CONSTRAINT images_storage_key_check ON images IS NULL;

COMMENT ON CONSTRAINT images_sha256_check ON images IS NULL;

COMMENT ON CONSTRAINT images_content_type_check ON images IS NULL;

COMMENT ON CONSTRAINT images_filename_check ON images IS NULL;

COMMENT ON INDEX images_document_idx IS NULL;

COMMENT ON INDEX images_content_type_created_at_id_idx IS NULL;

COMMENT ON INDEX images_created_at_id_idx IS NULL;

COMMENT ON INDEX images_tags_idx IS NULL;

COMMENT ON INDEX images_sha256_key IS NULL;

COMMENT ON INDEX images_pkey IS NULL;

COMMENT ON COLUMN images.updated_at IS NULL;

COMMENT ON COLUMN images.created_at IS NULL;

COMMENT ON COLUMN images.attributes IS NULL;

COMMENT ON COLUMN images.tags IS NULL;

COMMENT ON COLUMN images.description IS NULL;

COMMENT ON COLUMN images.title IS NULL;

COMMENT ON COLUMN images.storage_key IS NULL;

COMMENT ON COLUMN images.sha256 IS NULL;

COMMENT ON COLUMN images.height IS NULL;

COMMENT ON COLUMN images.width IS NULL;

COMMENT ON COLUMN images.byte_size IS NULL;

COMMENT ON COLUMN images.content_type IS NULL;

COMMENT ON COLUMN images.filename IS NULL;

COMMENT ON COLUMN images.id IS NULL;

COMMENT ON TABLE images IS NULL;
