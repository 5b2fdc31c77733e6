-- find_lock_row: yoyo's own lock row, and whether a migrator of ours is behind it. One without was left by a migrator
-- that died; or stock yoyo is at work.
SELECT
    yoyo_lock.pid AS process,
    EXISTS (
        SELECT
        FROM pg_locks
        WHERE locktype = 'advisory'
            AND granted
            AND objsubid = 1
            AND (classid::bigint << 32 | objid::bigint) = hashtextextended('yoyo_lock', 0)
            AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) AS is_held
FROM yoyo_lock;
