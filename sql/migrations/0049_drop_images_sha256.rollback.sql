-- Adds sha256 and storage_key again, and the trigger that keeps them in step. The rollback of 0048 fills them.
--
-- What:  the columns are last in the table now. No query depends on their place.
-- loses: nothing (both follow from content_sha256 and own_key)
-- Locks: ACCESS EXCLUSIVE on images for a catalog change: a few milliseconds after it is granted.
-- Cost:  the same for any number of rows. No rewrite and no scan.

ALTER TABLE images
    ADD COLUMN sha256 text,
    ADD COLUMN storage_key text,
    ADD CONSTRAINT images_sha256_check CHECK (char_length(sha256) <= 64) NOT VALID,
    ADD CONSTRAINT images_storage_key_check CHECK (char_length(storage_key) <= 512) NOT VALID,
    -- allow: insert-breaks because the trigger below gives both values
    ADD CONSTRAINT images_sha256_storage_key_check CHECK (sha256 IS NOT NULL AND storage_key IS NOT NULL) NOT VALID;

COMMENT ON TABLE images IS
    'One row for each distinct content: the same bytes are stored once. The row is the truth; the bytes '
    'lie in the object store under storage_key, written before the row is committed and removed after it '
    'is gone.';

COMMENT ON COLUMN images.sha256 IS
    'SHA-256 of the content, 64 hexadecimal digits in lower case. Unique: the identity of the content.';

COMMENT ON COLUMN images.storage_key IS
    'The content in the object store, relative to STORAGE_URL.';

COMMENT ON CONSTRAINT images_sha256_check ON images IS
    'At most 64 characters; the form is the application''s to keep, adopted rows may differ.';

COMMENT ON CONSTRAINT images_storage_key_check ON images IS
    'At most 512 characters.';

CREATE FUNCTION images_keep_content()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('search_path', quote_ident(TG_TABLE_SCHEMA) || ', pg_temp', true);

    IF NEW.sha256 IS NULL
        OR TG_OP = 'UPDATE'
        AND NEW.content_sha256 IS NOT NULL
        AND (NEW.sha256, NEW.storage_key) IS NOT DISTINCT FROM (OLD.sha256, OLD.storage_key)
    THEN
        NEW.sha256 := images_sha256_text(NEW.content_sha256);
        NEW.storage_key := images_storage_key(NEW.content_sha256, NEW.own_key);
    ELSE
        NEW.content_sha256 := images_sha256_bytes(NEW.sha256);
        NEW.own_key := CASE
            WHEN octet_length(NEW.content_sha256) > 32
                OR NEW.storage_key <> images_storage_key(NEW.content_sha256, NULL)
                THEN NEW.storage_key
        END;
    END IF;

    RETURN NEW;
END
$$;

COMMENT ON FUNCTION images_keep_content() IS
    'Keeps sha256 and storage_key in step with content_sha256 and own_key.';

-- allow: new-trigger because nothing else in this file touches images
CREATE TRIGGER images_keep_content
BEFORE INSERT OR UPDATE ON images
FOR EACH ROW
EXECUTE FUNCTION images_keep_content();
