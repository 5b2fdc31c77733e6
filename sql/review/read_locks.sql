-- read_locks: returns the locks on relations that a session holds, and the lock for which it waits. This is a lock on a
-- relation, or the end of another transaction.
-- :process  its server process
SELECT
    relation::bigint,
    mode,
    granted
FROM pg_locks
WHERE pid = :process
    AND (locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        OR NOT granted);
