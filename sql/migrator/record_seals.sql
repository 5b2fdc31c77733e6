-- record_seals: records the seals of applied migrations in the ledger. The seal is the SHA-256 of the recorded digest
-- and of the whole file. If the next migrator computes the same, the file is unchanged, and it does not scan the file.
-- :migration_ids  IDs of the migrations.
-- :digests        the digests that the ledger has of them.
-- :seals          their seals, 64 hexadecimal digits each.
-- Index: _yoyo_ledger_pkey, a few rows for each migration.
UPDATE _yoyo_ledger
SET seal = given.seal
FROM unnest(:migration_ids::text[], :digests::text[], :seals::text[]) AS given (migration_id, sha256, seal)
WHERE _yoyo_ledger.migration_id = given.migration_id
    AND _yoyo_ledger.sha256 = given.sha256
    AND outcome = 'done'
    AND _yoyo_ledger.seal IS DISTINCT FROM given.seal;
