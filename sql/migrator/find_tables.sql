-- find_tables: which of the two tables of the history are there; asked first, so that no error is logged.
SELECT
    to_regclass('_yoyo_migration') IS NOT NULL AS has_marks,
    to_regclass('_yoyo_ledger') IS NOT NULL AS has_ledger;
