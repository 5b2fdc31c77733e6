-- create_backfills: creates the table of the backfills beside the ledger. The migrator creates it before the first one.
-- A row is the state of one backfill, and changes in the transaction of each batch, so a kill loses nothing and repeats
-- nothing. The keys are values of rows. So only the owner may read the table, unlike the ledger.
CREATE TABLE _yoyo_ledger_backfills (
    migration_id text NOT NULL,
    state text NOT NULL,
    sha256 text,
    table_name text,
    position text[],
    ends_at text[],
    rows_done bigint NOT NULL DEFAULT 0,
    rows_expected bigint NOT NULL DEFAULT 0,
    batches bigint NOT NULL DEFAULT 0,
    batch_size integer NOT NULL DEFAULT 1000,
    seconds double precision NOT NULL DEFAULT 0,
    started_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    key_order text[],
    identity oid[],
    CONSTRAINT _yoyo_ledger_backfills_pkey PRIMARY KEY (migration_id),
    CONSTRAINT _yoyo_ledger_backfills_state_check CHECK (state IN ('running', 'paused', 'cancelled', 'done'))
);

COMMENT ON TABLE _yoyo_ledger_backfills IS
    'The state of each backfill: a migration that runs in batches. The command schema backfill status reads it.';

COMMENT ON COLUMN _yoyo_ledger_backfills.state IS
    'running: may run, also if no process runs it now. paused: waits for resume. cancelled: the same, from the start. '
    'done: all batches are committed.';

COMMENT ON COLUMN _yoyo_ledger_backfills.position IS
    'Key of the first row that is not done, a text for each column. Null: not started, or nothing is left.';

COMMENT ON COLUMN _yoyo_ledger_backfills.ends_at IS
    'Key of the last row when the backfill started. Later rows are written by the triggers or the code of the release.';

COMMENT ON COLUMN _yoyo_ledger_backfills.key_order IS
    'Order of the columns of the key when the backfill started: types and collations. Null: started by an older release.';

COMMENT ON COLUMN _yoyo_ledger_backfills.identity IS
    'OIDs of this table and of the table of the backfill when it started. If only the second one is another now, the '
    'table was created again. Null: started by an older release.';
