-- record_check: records that the bytes of an image were verified now, for `images objects check --verify`, and that
-- they were written again, for POST /v1/images.
-- $1 text  SHA-256 in lower-case hexadecimal
-- $2 text  missing, size or wrong; NULL if nothing is wrong
-- Index: content_checks_pkey decides the conflict, one row.
-- example sound bytes: encode(sha256('7'), 'hex'), NULL
-- example wrong bytes: encode(sha256('8'), 'hex'), 'wrong'
INSERT INTO content_checks (sha256, checked_at, fault)
VALUES ($1, now(), $2)
ON CONFLICT (sha256) DO UPDATE
    SET checked_at = excluded.checked_at, fault = excluded.fault
RETURNING checked_at;
