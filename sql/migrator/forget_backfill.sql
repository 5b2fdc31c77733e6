-- forget_backfill: removes the state of a backfill, in the transaction of its rollback. The next apply starts at the
-- first row.
-- :migration_id  ID of the migration.
DELETE FROM _yoyo_ledger_backfills
WHERE migration_id = :migration_id;
