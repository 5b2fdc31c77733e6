-- keep_objects: takes the backup lock, for `images objects keep`, in a session of its own. Until that session ends,
-- DELETE (lock_content_to_remove) and `images objects check` remove no bytes. So a copy of the object store has all
-- bytes that a dump made before it refers to. An import uses another lock, and may start and end meanwhile.
SELECT pg_advisory_lock(hashtextextended('keep', 0));
