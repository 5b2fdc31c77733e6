-- Creates the table that keeps the tags of an image as they were before 0075 merges them.
--
-- What:  the table merged_tags, without rows.
-- Why:   0075 writes tags of images. With this table, its rollback gives each image its tags back. Only the images that
--        0075 changes have a row. The service does not read it.
-- Locks: none on images.
-- Cost:  none.
-- phase: contract
-- depends: 0073_fill_image_terms

CREATE TABLE merged_tags (
    image_id uuid NOT NULL,
    tags text[] NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (image_id)
);

COMMENT ON TABLE merged_tags IS
    'The tags that images had before 0075 merged equal ones. Only its rollback reads it.';

COMMENT ON COLUMN merged_tags.image_id IS
    'images.id.';

COMMENT ON COLUMN merged_tags.tags IS
    'The tags of before.';

COMMENT ON COLUMN merged_tags.updated_at IS
    'images.updated_at of before. 0075 has added a second.';

COMMENT ON INDEX merged_tags_pkey IS
    'The tags of an image, for the rollback of 0075.';
