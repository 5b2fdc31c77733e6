-- extend_ledger: what releases before this one did not make with the ledger, asked for first by find_lock_wait. The column
-- is null in the rows that are there, so that nothing is rewritten; their statements name their columns, and go on. It
-- waits for readers as a migration does: where one keeps at it, a backup for example, the ledger stays as it is for now.
ALTER TABLE _yoyo_ledger ADD COLUMN lock_wait_seconds double precision;
