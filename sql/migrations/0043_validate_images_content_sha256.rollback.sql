-- Marks the CHECKs as NOT VALID again: PostgreSQL has no statement for it, so each is dropped and added.
--
-- loses: nothing
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: a few milliseconds after it is granted.
-- Cost:  no scan and no rewrite, also with ten million rows. It is one statement, so that every new row is checked.

ALTER TABLE images
    DROP CONSTRAINT images_content_sha256_check,
    DROP CONSTRAINT images_own_key_check,
    ADD CONSTRAINT images_content_sha256_check CHECK (
        content_sha256 IS NOT NULL
        AND octet_length(content_sha256) BETWEEN 32 AND 289
        AND (
            octet_length(content_sha256) = 32
            OR own_key IS NOT NULL AND substring(content_sha256 FROM 1 FOR 33) = decode(repeat('00', 33), 'hex')
        )
    ) NOT VALID,
    ADD CONSTRAINT images_own_key_check CHECK (char_length(own_key) <= 512) NOT VALID;

COMMENT ON CONSTRAINT images_content_sha256_check ON images IS
    '32 bytes; or 33 zero bytes and the text of an adopted row, which has at most 64 characters, and then own_key.';

COMMENT ON CONSTRAINT images_own_key_check ON images IS
    'At most 512 characters.';
