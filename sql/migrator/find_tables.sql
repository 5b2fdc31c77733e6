-- find_tables: which of the two tables of the history exist. The migrator asks first, so that PostgreSQL logs no error.
SELECT
    to_regclass('_yoyo_migration') IS NOT NULL AS has_marks,
    to_regclass('_yoyo_ledger') IS NOT NULL AS has_ledger;
