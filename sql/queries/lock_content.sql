-- lock_content: lets one transaction at a time add or remove these bytes in the object store, until it ends. Without it
-- the removal that follows a DELETE could take bytes that a later upload has just recorded. Who makes a thumbnail holds it
-- as well, so that it is made once, and not after the DELETE.
-- $1 text  SHA-256 in lower-case hexadecimal
-- Index: none, no table is read. Two contents may share a lock by chance; the second then waits a moment for nothing.
-- example some bytes: encode(sha256('7'), 'hex')
SELECT pg_advisory_xact_lock(hashtextextended($1, 0));
