-- wait_for_transactions: called before a migration that cannot run in a transaction. CREATE INDEX CONCURRENTLY waits
-- for the transactions that were open when it began, and lock_timeout would cut that wait and leave an INVALID index.
SELECT set_config('lock_timeout', '0', false);
