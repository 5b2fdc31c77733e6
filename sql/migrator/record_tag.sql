-- record_tag: records a tag. It returns no row if the name is taken.
-- :name                 the tag
-- :migration_ids        the applied migrations
-- :digests              their digests
-- :username, :hostname  the migrator
INSERT INTO _yoyo_ledger_tags (name, migration_ids, digests, username, hostname)
VALUES (:name, :migration_ids, :digests, :username, :hostname)
ON CONFLICT DO NOTHING
RETURNING name;
