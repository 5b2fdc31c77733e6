-- rename_backfill: gives the state of a backfill the ID that `schema renumber` has given its file. A backfill that was only
-- paused, and has never started, has no digest.
-- :old     the ID so far
-- :new     the ID of the file
-- :sha256  digest of the file
UPDATE _yoyo_ledger_backfills
SET
    migration_id = :new,
    sha256 = CASE WHEN sha256 IS NOT NULL THEN :sha256 END
WHERE migration_id = :old;
