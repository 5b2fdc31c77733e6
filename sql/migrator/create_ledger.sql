-- create_ledger: creates the ledger beside yoyo's tables. It records what they do not: the digest of the file that was
-- applied, and every run that began, failed ones too. Each run is a row. It is updated when the run
-- ends. Of failed runs, record_run keeps the last 20 of each migration. Every role of the database may read the ledger, as the service does for GET /readyz: it has no values
-- of rows: an error whose message can have one is recorded by its SQLSTATE only. The same holds for yoyo's own tables, which `yoyo list` and `yoyo apply` read when there is nothing to
-- do.
CREATE TABLE _yoyo_ledger (
    id bigint GENERATED ALWAYS AS IDENTITY,
    migration_id text NOT NULL,
    operation text NOT NULL,
    outcome text NOT NULL,
    sha256 text NOT NULL,
    applied_at_utc timestamp,
    username text NOT NULL,
    hostname text NOT NULL,
    process integer,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    error text,
    lock_wait_seconds double precision,
    seal text,
    reason text,
    CONSTRAINT _yoyo_ledger_pkey PRIMARY KEY (migration_id, id),
    CONSTRAINT _yoyo_ledger_operation_check
        CHECK (operation IN ('apply', 'rollback', 'mark', 'unmark', 'adopt', 'accept')),
    CONSTRAINT _yoyo_ledger_outcome_check CHECK (outcome IN ('started', 'done', 'failed', 'interrupted'))
);

COMMENT ON TABLE _yoyo_ledger IS
    'Every run of a migration by the migrator. The command schema status reads it.';

COMMENT ON COLUMN _yoyo_ledger.operation IS
    'adopt: it was applied before this table existed, or by stock yoyo. accept: its edited file was accepted.';

COMMENT ON COLUMN _yoyo_ledger.outcome IS
    'started: running, or cut off without being undone, and the next command continues it. '
    'failed: undone, see error. interrupted: undone, or replaced by a later run.';

COMMENT ON COLUMN _yoyo_ledger.sha256 IS
    'Digest of the migration''s file at that time. s1: and hex: SHA-256 of its statements and directives. '
    'Only hex: SHA-256 of the whole file, as earlier releases recorded it.';

COMMENT ON COLUMN _yoyo_ledger.seal IS
    'SHA-256 of the sha256 of this row, a blank, and the SHA-256 of the whole file. If it fits, the file is unchanged.';

COMMENT ON COLUMN _yoyo_ledger.reason IS
    'Why the operator applied it although sessions of an older release might run: schema contract --despite.';

COMMENT ON COLUMN _yoyo_ledger.applied_at_utc IS
    'The applied_at_utc of _yoyo_migration after this run: it ties a mark to the run that set it. '
    'Null if the migration was not marked as applied.';

GRANT SELECT ON _yoyo_ledger, _yoyo_migration, _yoyo_version, yoyo_lock TO PUBLIC;
