-- find_open_transactions: returns the open transactions of all sessions. A plan compares two answers, because the age
-- of a transaction is hidden from roles that are not a member of pg_read_all_stats.
SELECT
    pid AS process,
    virtualtransaction AS transaction
FROM pg_locks
WHERE locktype = 'virtualxid'
    AND granted
    AND pid IS NOT NULL;
