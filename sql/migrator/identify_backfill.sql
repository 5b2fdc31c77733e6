-- identify_backfill: records which table a backfill continues with. It is not known after a restore of a dump, or if an
-- earlier release started it.
-- :migration_id  ID of the migration.
-- :table         name of its table.
UPDATE _yoyo_ledger_backfills
SET identity = ARRAY['_yoyo_ledger_backfills'::regclass::oid, to_regclass(:table)::oid]
WHERE migration_id = :migration_id;
