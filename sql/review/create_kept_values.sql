-- create_kept_values: creates the temporary table for the values of columns that a backfill may fill. Each value is a
-- hash, as in write_digests. The second statement would fail if an earlier migration's review had left the table.
DROP TABLE IF EXISTS pg_temp.kept_values;

CREATE TEMPORARY TABLE kept_values (
    table_name text NOT NULL,
    column_name text NOT NULL,
    hash bigint NOT NULL
);
