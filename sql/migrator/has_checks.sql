-- has_checks: whether the table of the checks exists. The command asks first, so that PostgreSQL logs no error.
SELECT to_regclass('_yoyo_ledger_checks') IS NOT NULL AS has_checks;
