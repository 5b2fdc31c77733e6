-- Revokes the right of images_app to use tokens through functions. A release that uses them then rejects every client.
--
-- loses: nothing
-- Locks: none on a table.
-- Cost:  none.

-- allow: hidden-ddl because roles belong to the cluster, and REVOKE from a role that does not exist would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        REVOKE ALL ON FUNCTION
            images_find_token(uuid),
            images_touch_token(uuid),
            images_take_requests(uuid, bigint),
            images_count_upload_bytes(uuid, bigint, date)
        FROM images_app;
    END IF;
END
$$;
