-- limit_reading: limits how long a transaction that reads the schema waits for a lock, and how long a statement of it
-- runs. A plan and a list of differences must answer also while a migration holds its locks.
SELECT
    set_config('lock_timeout', '500', true),
    set_config('statement_timeout', '10000', true);
