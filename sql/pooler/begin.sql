-- begin: begins each transaction behind a pooler (DATABASE_POOLER), because session settings would reach other clients.
-- :statement_timeout  DATABASE_STATEMENT_TIMEOUT in milliseconds, as text
BEGIN;
SET LOCAL jit = off;
SET LOCAL plan_cache_mode = force_generic_plan;
SET LOCAL timezone = 'UTC';
SELECT set_config('statement_timeout', :statement_timeout, true);
