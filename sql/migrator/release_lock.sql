-- release_lock: releases the lock of take_lock.
-- :key  text of the lock
SELECT pg_advisory_unlock(hashtextextended(:key, 0));
