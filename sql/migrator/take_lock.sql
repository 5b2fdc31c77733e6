-- take_lock: true if this session now holds the lock that lets one migrator work on this database. Polled, because
-- a session that waited inside pg_advisory_lock() would be an open transaction to CREATE INDEX CONCURRENTLY, and both
-- would wait for ever.
SELECT pg_try_advisory_lock(hashtextextended('yoyo_lock', 0));
