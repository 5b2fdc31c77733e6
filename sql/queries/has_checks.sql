-- has_checks: returns whether the table of the checks exists, for GET /v1/schema and GET /metrics. They ask first, so that
-- PostgreSQL logs no error. `images schema verify` creates the table.
-- Index: none, because it is one look-up in the catalog.
SELECT to_regclass('_yoyo_ledger_checks') IS NOT NULL AS has_checks;
