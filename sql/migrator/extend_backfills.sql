-- extend_backfills: adds the columns that earlier releases did not create. The migrator runs find_backfill_columns first.
-- The columns are null in present rows, so the table is not rewritten. Statements of earlier releases continue to work.
ALTER TABLE _yoyo_ledger_backfills
    ADD COLUMN IF NOT EXISTS key_order text[],
    ADD COLUMN IF NOT EXISTS identity oid[];
