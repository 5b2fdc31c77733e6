-- has_backfills: whether the table of the backfills exists. The migrator asks first, so that PostgreSQL logs no error.
SELECT to_regclass('_yoyo_ledger_backfills') IS NOT NULL AS has_backfills;
