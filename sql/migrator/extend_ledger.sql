-- extend_ledger: adds the columns that earlier releases did not create. The migrator runs find_ledger_columns first.
-- The columns are null in present rows, so the table is not rewritten. Statements of earlier releases name their
-- columns, and continue to work. The statement waits for readers as a migration does. If a reader, such as a backup,
-- holds the table, the ledger stays as it is for now.
ALTER TABLE _yoyo_ledger
    ADD COLUMN IF NOT EXISTS lock_wait_seconds double precision,
    ADD COLUMN IF NOT EXISTS seal text,
    ADD COLUMN IF NOT EXISTS reason text;
