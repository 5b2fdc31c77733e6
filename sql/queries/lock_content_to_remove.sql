-- lock_content_to_remove: lock_content for a DELETE that is about to remove the bytes. It says whether it may: not while an
-- import is at work, or a backup (keep_objects); the bytes then stay behind, which harms nobody.
-- $1 text  SHA-256 in lower-case hexadecimal
-- Index: none, no table is read.
-- example some bytes: encode(sha256('7'), 'hex')
SELECT
    pg_try_advisory_xact_lock_shared(hashtextextended('import', 0))
        AND pg_try_advisory_xact_lock_shared(hashtextextended('keep', 0)) AS free,
    pg_advisory_xact_lock(hashtextextended($1, 0));
