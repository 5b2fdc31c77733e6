-- find_fault: returns what the last check found wrong with these bytes, for an upload of bytes that exist already. It
-- returns no row if nothing is wrong, or if they were never checked.
-- $1 text  SHA-256 in lower-case hexadecimal
-- Index: content_checks_fault_idx, one row.
-- example some bytes: encode(sha256('7'), 'hex')
SELECT fault
FROM content_checks
WHERE sha256 = $1
    AND fault IS NOT NULL;
