-- lock_content_to_remove: acquires lock_content for a DELETE that wants to remove the bytes, and returns whether it
-- may. It may not during an import or a backup (keep_objects). Then the bytes stay as orphans, which do no harm.
-- $1 text  SHA-256 in lower-case hexadecimal
-- Index: none, no table is read.
-- example some bytes: encode(sha256('7'), 'hex')
SELECT
    pg_try_advisory_xact_lock_shared(hashtextextended('import', 0))
        AND pg_try_advisory_xact_lock_shared(hashtextextended('keep', 0)) AS free,
    pg_advisory_xact_lock(hashtextextended($1, 0));
