-- rename_migration: gives a migration the ID that `schema renumber` has given its file, in yoyo's table
-- and in the ledger. yoyo finds a migration by the SHA-256 of its ID. yoyo's log keeps the old ID.
-- :old   the ID so far
-- :new   the ID of the file
-- :hash  yoyo's hash of the new ID
WITH renamed AS (
    UPDATE _yoyo_migration
    SET
        migration_id = :new,
        migration_hash = :hash
    WHERE migration_id = :old
)

UPDATE _yoyo_ledger
SET migration_id = :new
WHERE migration_id = :old;
