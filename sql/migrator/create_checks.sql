-- create_checks: creates the table of the checks beside the ledger. `schema verify` creates it when it first runs. A row is
-- the last result of one check. It has only numbers, and no value of a row. Every role of the database may read it, as
-- the service does for GET /v1/schema and GET /metrics.
CREATE TABLE _yoyo_ledger_checks (
    name text NOT NULL,
    table_name text NOT NULL,
    checked_at timestamptz NOT NULL,
    seconds double precision NOT NULL,
    rows_checked bigint NOT NULL,
    faults bigint NOT NULL,
    repaired bigint NOT NULL,
    CONSTRAINT _yoyo_ledger_checks_pkey PRIMARY KEY (name)
);

COMMENT ON TABLE _yoyo_ledger_checks IS
    'The last result of each file of sql/verify/. The command schema verify writes it.';

COMMENT ON COLUMN _yoyo_ledger_checks.checked_at IS 'When the check ended.';

COMMENT ON COLUMN _yoyo_ledger_checks.faults IS 'How many faults it found, with those that were repaired.';

GRANT SELECT ON _yoyo_ledger_checks TO PUBLIC;
