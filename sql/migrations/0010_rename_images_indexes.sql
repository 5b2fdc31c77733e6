-- Renames the last two indexes of create_all() to PostgreSQL's own naming pattern.
--
-- What:  ix_images_sha256 becomes images_sha256_key. ix_images_tags becomes images_tags_idx.
-- Why:   PostgreSQL names an index by table, column, and kind, in this order. An operator who reads "images_sha256_key"
--        in an error knows that it is unique. It stays a unique index and does not become a constraint. DROP CONSTRAINT
--        would drop the index too, and a rollback would have to build it again.
-- Locks: SHARE UPDATE EXCLUSIVE on each index: reads and writes continue.
-- Cost:  none: two names in the catalog.
-- depends: 0009_index_images_content_type

ALTER INDEX ix_images_sha256 RENAME TO images_sha256_key;

ALTER INDEX ix_images_tags RENAME TO images_tags_idx;
