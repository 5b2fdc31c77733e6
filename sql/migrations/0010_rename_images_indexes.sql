-- Names the two indexes that are left of create_all() by PostgreSQL's own pattern.
--
-- What:  ix_images_sha256 becomes images_sha256_key, ix_images_tags becomes images_tags_idx.
-- Why:   table, column and kind in one fixed order, as PostgreSQL itself would have named them: an operator who reads
--        "images_sha256_key" in an error knows that it is unique. It stays a unique index and does not become a
--        constraint: DROP CONSTRAINT would take the index along, and the way back would have to build it again.
-- Locks: SHARE UPDATE EXCLUSIVE on each index: reads and writes go on.
-- Cost:  none: two names in the catalogue.
-- depends: 0009_index_images_content_type

ALTER INDEX ix_images_sha256 RENAME TO images_sha256_key;

ALTER INDEX ix_images_tags RENAME TO images_tags_idx;
