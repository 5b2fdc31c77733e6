-- Creates the table of the results of `images objects check --verify`.
--
-- What:  the table content_checks, empty, and an index of its faults. It has a row for each content that was verified.
-- Why:   * The next run continues an interrupted one, because it skips contents that were verified lately.
--        * An upload of known bytes writes them again if the last check found others.
--        * It is a table of its own, so a check changes neither the row of the image nor its ETag, and no list reads it.
--        * It has no foreign key: that would lock images, and each DELETE would look here. The next check removes the
--          rows of deleted images.
-- Locks: none on images.
-- Cost:  none. With ten million verified images, the table has 1.5 GB.
-- depends: 0029_grant_images_app

CREATE TABLE content_checks (
    sha256 text NOT NULL,
    checked_at timestamptz NOT NULL,
    fault text,
    CONSTRAINT content_checks_pkey PRIMARY KEY (sha256),
    CONSTRAINT content_checks_fault_check CHECK (fault IN ('missing', 'size', 'wrong'))
);

CREATE INDEX content_checks_fault_idx ON content_checks (sha256) WHERE fault IS NOT NULL;

COMMENT ON TABLE content_checks IS
    'When the bytes of each image were last verified, and the result.';

COMMENT ON COLUMN content_checks.sha256 IS
    'The SHA-256 of the image, as in images. The row may outlive the image.';

COMMENT ON COLUMN content_checks.checked_at IS
    'When the bytes were last read and hashed, or written again.';

COMMENT ON COLUMN content_checks.fault IS
    'What was wrong: missing; size, another size; wrong, other bytes. NULL: nothing.';

COMMENT ON CONSTRAINT content_checks_fault_check ON content_checks IS
    'The faults that the check knows.';

COMMENT ON INDEX content_checks_pkey IS
    'One content by its SHA-256: record_check, list_contents_to_verify.';

COMMENT ON INDEX content_checks_fault_idx IS
    'The contents with a fault: find_fault, count_faults.';
