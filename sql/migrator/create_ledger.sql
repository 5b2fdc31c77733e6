-- create_ledger: beside yoyo's tables, what they do not tell: of which text a migration was applied, and every run that
-- was begun, those that failed too. One row a run; rows are only added, but for a run that ends.
-- Every role of the database may read it, as the service does for GET /readyz: it holds no rows of anyone's, and no
-- secret. The same goes for yoyo's own tables that `yoyo list` and `yoyo apply` look at when there is nothing to do.
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
    CONSTRAINT _yoyo_ledger_pkey PRIMARY KEY (migration_id, id),
    CONSTRAINT _yoyo_ledger_operation_check
        CHECK (operation IN ('apply', 'rollback', 'mark', 'unmark', 'adopt', 'accept')),
    CONSTRAINT _yoyo_ledger_outcome_check CHECK (outcome IN ('started', 'done', 'failed', 'interrupted'))
);

COMMENT ON TABLE _yoyo_ledger IS
    'Every run of a migration by the image catalogue''s migrator. images schema status reads it.';

COMMENT ON COLUMN _yoyo_ledger.operation IS
    'adopt: it was applied before this table was there, or by stock yoyo. accept: its edited file was accepted.';

COMMENT ON COLUMN _yoyo_ledger.outcome IS
    'started: running; or cut off where it could not be undone, and the next command carries it on. '
    'failed: undone, see error. interrupted: undone, or overtaken by a later run.';

COMMENT ON COLUMN _yoyo_ledger.sha256 IS
    'Of the migration''s file at that time, in hex, with line endings as LF.';

COMMENT ON COLUMN _yoyo_ledger.applied_at_utc IS
    'When the mark was set that stood in _yoyo_migration after this run: it ties a mark to the run that set it. '
    'Null where none stood.';

GRANT SELECT ON _yoyo_ledger, _yoyo_migration, _yoyo_version, yoyo_lock TO PUBLIC;
