-- keep_objects: for `images objects keep`, on a session of its own: until that ends no DELETE removes bytes
-- (lock_content_to_remove), and `images objects check` none either, so that a copy of the object store has all that a
-- dump made before it names. Not the lock of an import, which may come and go meanwhile.
SELECT pg_advisory_lock(hashtextextended('keep', 0));
