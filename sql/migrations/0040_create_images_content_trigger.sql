-- Creates the trigger that keeps sha256 and storage_key in step with content_sha256 and own_key.
--
-- What:  a trigger for each inserted or updated row of images, and its function.
-- Why:   while the backfill runs and until 0049, releases of both kinds write. The release before gives sha256 and
--        storage_key, this one content_sha256 and own_key. Each of them reads what the other wrote. If an UPDATE changes
--        both, sha256 and storage_key are right. An UPDATE of anything else fills a row that the backfill has not.
-- Locks: SHARE ROW EXCLUSIVE on images until the commit: reads continue, and writes wait for the catalog change.
-- Cost:  none here, also with ten million rows.
-- depends: 0039_add_images_content_sha256

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
