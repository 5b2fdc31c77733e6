-- lock_content: lets one transaction at a time add or remove these bytes in the object store, until it ends. Without it
-- the removal that follows a DELETE could take bytes that a later upload has just recorded. And one at a time makes a
-- thumbnail.
-- $1 text  SHA-256 in lower-case hexadecimal, or the thumbnail's key
-- Index: none, no table is read. Two contents may share a lock by chance; the second then waits a moment for nothing.
-- example some bytes: encode(sha256('7'), 'hex')
SELECT pg_advisory_xact_lock(hashtextextended($1, 0));
