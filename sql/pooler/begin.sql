-- begin: begins each transaction behind a pooler (DATABASE_POOLER), because session settings would reach other clients.
-- The settings are those of SESSION in app/database/pool.py. The time-out of idle sessions is the pooler's matter.
-- :statement_timeout  DATABASE_STATEMENT_TIMEOUT in milliseconds, as text
BEGIN ISOLATION LEVEL READ COMMITTED NOT DEFERRABLE;
SET LOCAL jit = off;
SET LOCAL plan_cache_mode = force_generic_plan;
SET LOCAL timezone = 'UTC';
SET LOCAL DateStyle = 'ISO';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL standard_conforming_strings = on;
SET LOCAL gin_fuzzy_search_limit = 0;
SET LOCAL lock_timeout = 0;
SELECT set_config('statement_timeout', :statement_timeout, true);
