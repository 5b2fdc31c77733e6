-- Grants the role of the service, images_app, the right to use tokens through the functions of 0034.
--
-- What:  GRANTs, if the role exists. sql/roles.sql creates the role, and runs this file again if the role came later.
-- Why:   the service looks one token up by its ID, and counts what it uses. It has no right on token_usage and
--        token_events: their rows contain IDs of tokens.
-- Locks: none on a table.
-- Cost:  none.
-- depends: 0035_create_token_events

-- allow: hidden-ddl because roles belong to the cluster, and GRANT to a role that does not exist would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        GRANT EXECUTE ON FUNCTION
            images_find_token(uuid),
            images_touch_token(uuid),
            images_take_requests(uuid, bigint),
            images_count_upload_bytes(uuid, bigint, date)
        TO images_app;
    END IF;
END
$$;
