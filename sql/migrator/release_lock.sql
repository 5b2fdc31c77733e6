-- release_lock: releases the lock of take_lock.
SELECT pg_advisory_unlock(hashtextextended('yoyo_lock', 0));
