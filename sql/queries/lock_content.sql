-- lock_content: lets only one transaction at a time add or remove these bytes in the object store, until it ends.
-- Without this lock, the removal after a DELETE could remove bytes that a later upload has just recorded. A request
-- that makes a thumbnail holds the lock too, so that it is made only once, and not after the DELETE.
-- $1 text  SHA-256 in lower-case hexadecimal
-- Index: none, no table is read. Two contents may share a lock by chance. Then the second waits for a moment.
-- example some bytes: encode(sha256('7'), 'hex')
SELECT pg_advisory_xact_lock(hashtextextended($1, 0));
