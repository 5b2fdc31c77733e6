-- Adds the columns that will take the place of sha256 and storage_key, and the functions that convert between them.
--
-- What:  content_sha256, 32 bytes in place of 64 digits, and own_key, the storage key of the images that have one of
--        their own. Three functions. 0040 to 0045 fill the columns. 0046 to 0049 drop sha256 and storage_key.
-- Why:   * The unique index has 73 MB in place of 119 for a million single uploads. When built, it has 56 in place of 91.
--          A new row of review/fill_images.sql has 346 bytes in place of 434, because the storage key of an upload follows
--          from its hash. An upload writes 2,705 bytes of WAL in place of 2,957.
--        * The former service did not check its hashes. A row that it left may have any text, which must stay as it is.
--          Such a text is stored as 33 zero bytes and then the text in UTF-8, so it is never 32 bytes long.
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: a few milliseconds after it is granted.
-- Cost:  the same for any number of rows. No rewrite and no scan, because the columns are NULL in present rows.
-- depends: 0038_replace_images_trigger_functions

ALTER TABLE images
    ADD COLUMN content_sha256 bytea,
    ADD COLUMN own_key text;

CREATE FUNCTION images_sha256_bytes(sha256 text)
RETURNS bytea
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN CASE
    WHEN sha256 COLLATE "C" ~ '^[0-9a-f]{64}$' THEN decode(sha256, 'hex')
    ELSE decode(repeat('00', 33), 'hex') || convert_to(sha256, 'UTF8')
END;

CREATE FUNCTION images_sha256_text(content_sha256 bytea)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN CASE
    WHEN octet_length(content_sha256) = 32 THEN encode(content_sha256, 'hex')
    ELSE convert_from(substring(content_sha256 FROM 34), 'UTF8')
END;

CREATE FUNCTION images_storage_key(content_sha256 bytea, own_key text)
RETURNS text
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN COALESCE(
    own_key,
    'sha256/' || encode(substring(content_sha256 FROM 1 FOR 1), 'hex')
    || '/' || encode(substring(content_sha256 FROM 2 FOR 1), 'hex')
    || '/' || encode(content_sha256, 'hex')
);

COMMENT ON COLUMN images.content_sha256 IS
    'SHA-256 of the content, 32 bytes. Unique: the identity of the content. An adopted row may have another text as its '
    'hash: then 33 zero bytes and the text.';

COMMENT ON COLUMN images.own_key IS
    'The content in the object store, relative to STORAGE_URL, if its key is not that of its SHA-256; NULL if it is.';

COMMENT ON FUNCTION images_sha256_bytes(text) IS
    'The value of images.content_sha256 for a hash in hexadecimal, or for the text that an adopted row has in its place.';

COMMENT ON FUNCTION images_sha256_text(bytea) IS
    'The hash of images.content_sha256 in lower-case hexadecimal, or the text that an adopted row has in its place.';

COMMENT ON FUNCTION images_storage_key(bytea, text) IS
    'The content in the object store, from images.content_sha256 and images.own_key.';
