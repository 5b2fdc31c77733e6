-- Adds comments that explain each part of the schema in the database itself.
--
-- What:  a comment on the table, on each column, index, and constraint, and on the function.
-- Why:   an operator on call may have only psql (\d+ images). A comment tells what a row means, what is not guaranteed,
--        and which query an index serves.
-- Locks: SHARE UPDATE EXCLUSIVE on images and on each index for a catalog change: reads and writes continue.
-- Cost:  none.
-- depends: 0010_rename_images_indexes

COMMENT ON TABLE images IS
    'One row for each distinct content: the same bytes are stored once. The row is the truth; the bytes '
    'lie in the object store under storage_key, written before the row is committed and removed after it '
    'is gone.';

COMMENT ON COLUMN images.id IS
    'The image in URLs. Random, says nothing of order or age.';

COMMENT ON COLUMN images.filename IS
    'The name that the client gave, for people; not unique, not a path, not where the bytes are.';

COMMENT ON COLUMN images.content_type IS
    'The media type as found in the bytes; of an adopted row, as the former service was told.';

COMMENT ON COLUMN images.byte_size IS
    'The size of the content in bytes.';

COMMENT ON COLUMN images.width IS
    'Pixels across, as displayed: with EXIF orientation applied.';

COMMENT ON COLUMN images.height IS
    'Pixels down, as displayed: with EXIF orientation applied.';

COMMENT ON COLUMN images.sha256 IS
    'SHA-256 of the content, 64 hexadecimal digits in lower case. Unique: the identity of the content.';

COMMENT ON COLUMN images.storage_key IS
    'The content in the object store, relative to STORAGE_URL.';

COMMENT ON COLUMN images.title IS
    'A heading for people; NULL where nobody gave one.';

COMMENT ON COLUMN images.description IS
    'Text for people; NULL where nobody gave one.';

COMMENT ON COLUMN images.tags IS
    'Words to find the image by, in the order that the client gave; may be empty.';

COMMENT ON COLUMN images.attributes IS
    'A JSON object of the client''s own making. Not searched: no index.';

COMMENT ON COLUMN images.created_at IS
    'When the image was first stored. With id the order of every list; not promised to be unique.';

COMMENT ON COLUMN images.updated_at IS
    'When the row was last changed. Each change moves it forward, so that it serves as the ETag.';

COMMENT ON INDEX images_pkey IS
    'One image by its id: get_image, update_image, delete_image.';

COMMENT ON INDEX images_sha256_key IS
    'One content, one row: insert_image, get_image_by_sha256.';

COMMENT ON INDEX images_tags_idx IS
    'Images that have all the given tags: list_images_by_tags and its sibling by content type.';

COMMENT ON INDEX images_created_at_id_idx IS
    'The newest-first list and its keyset pages: list_images.';

COMMENT ON INDEX images_content_type_created_at_id_idx IS
    'The newest-first list of one media type: list_images_by_content_type.';

COMMENT ON INDEX images_document_idx IS
    'Full-text search over images_document(title, description, filename, tags).';

COMMENT ON CONSTRAINT images_filename_check ON images IS
    'At most 255 characters, as most file systems allow.';

COMMENT ON CONSTRAINT images_content_type_check ON images IS
    'At most 100 characters.';

COMMENT ON CONSTRAINT images_sha256_check ON images IS
    'At most 64 characters; the form is the application''s to keep, adopted rows may differ.';

COMMENT ON CONSTRAINT images_storage_key_check ON images IS
    'At most 512 characters.';

COMMENT ON CONSTRAINT images_title_check ON images IS
    'At most 200 characters.';

COMMENT ON FUNCTION images_document(text, text, text, text[]) IS
    'The words of an image for full-text search, weighted A title, B tags, C filename, D description.';
