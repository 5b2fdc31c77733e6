-- release_lock: gives back what take_lock took.
SELECT pg_advisory_unlock(hashtextextended('yoyo_lock', 0));
