-- delete_checks: deletes the checks of deleted images, for each page of `images objects check --verify`.
-- $1 text  from this SHA-256 in lower-case hexadecimal on
-- $2 text  up to this one, without it; NULL: up to the last one
-- Index: content_checks_pkey, and images_content_sha256_key, one entry for each row of the range. A page has 1,000 images.
-- example a range: encode(sha256('7'), 'hex'), encode(sha256('8'), 'hex')
-- example the last page: encode(sha256('7'), 'hex'), NULL
DELETE FROM content_checks
WHERE content_checks.sha256 >= $1
    AND ($2::text IS NULL OR content_checks.sha256 < $2)
    AND (SELECT id FROM images WHERE content_sha256 = images_sha256_bytes(content_checks.sha256)) IS NULL -- no join: one look-up for each row
RETURNING content_checks.sha256;
