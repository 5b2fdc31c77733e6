-- Grants the role of the service, images_app, its rights on the results of the checks of contents.
--
-- What:  GRANTs, if the role exists. sql/roles.sql creates the role, and runs this file again if the role came later.
-- Why:   the service reads the faults and records that bytes were written again. `images objects check --verify` runs as
--        the same role, and removes the rows of deleted images.
-- Locks: ACCESS SHARE on content_checks for a catalog change. No table of images is locked.
-- Cost:  none.
-- depends: 0030_create_content_checks

-- allow: hidden-ddl because roles belong to the cluster, and GRANT to a role that does not exist would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON content_checks TO images_app;
    END IF;
END
$$;
