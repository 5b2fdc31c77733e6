-- extend_ledger: adds the column that earlier releases did not create. The migrator runs find_lock_wait first. The
-- column is null in present rows, so the table is not rewritten. Statements of earlier releases name their columns, and
-- continue to work. The statement waits for readers as a migration does. If a reader, such as a backup, holds the
-- table, the ledger stays as it is for now.
ALTER TABLE _yoyo_ledger ADD COLUMN lock_wait_seconds double precision;
