-- take_lock: returns true if this session now holds the lock that lets one migrator work on this database. The migrator
-- polls. A session that waits inside pg_advisory_lock() is an open transaction to CREATE INDEX CONCURRENTLY, and the
-- two would wait for each other forever.
-- :key  text of the lock: `lock_key` of the project
SELECT pg_try_advisory_lock(hashtextextended(:key, 0));
