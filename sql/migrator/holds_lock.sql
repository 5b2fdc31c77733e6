-- holds_lock: whether this session holds the lock of take_lock.
-- :key  text of the lock
SELECT EXISTS (
    SELECT
    FROM pg_locks
    WHERE locktype = 'advisory'
        AND pid = pg_backend_pid()
        AND objsubid = 1
        AND (classid::bigint << 32 | objid::bigint) = hashtextextended(:key, 0)
) AS holds_lock;
