-- Adds the CHECKs of content_sha256 and own_key, for new rows.
--
-- What:  two CHECKs, as NOT VALID: the lengths, and an own_key if the storage key cannot be derived.
-- Why:   0043 checks the present rows without a lock that makes writers wait.
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: a few milliseconds after it is granted.
-- Cost:  the same for any number of rows.
-- depends: 0041_fill_images_content_sha256

ALTER TABLE images
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
