-- record_reason: records why the operator applied a contract migration although sessions of an older release may run.
-- The migrator runs it in the transaction that records the migration as applied.
-- :migration_id  ID of the migration.
-- :reason        the reason that `schema contract --despite` was given.
-- Index: _yoyo_ledger_pkey.
UPDATE _yoyo_ledger
SET reason = :reason
WHERE migration_id = :migration_id
    AND id = (SELECT max(id) FROM _yoyo_ledger WHERE migration_id = :migration_id);
