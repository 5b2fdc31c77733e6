-- Grants the role of the service, images_app, its rights on the identity of the object store.
--
-- What:  GRANTs, if the role exists. sql/roles.sql creates the role, and runs this file again if the role came later.
-- Why:   the service inserts the ID and confirms it. `images objects adopt` changes it, as the same role. The service
--        never deletes it.
-- Locks: ACCESS SHARE on object_stores for a catalog change. No table of images is locked.
-- Cost:  none.
-- depends: 0028_create_object_stores

-- allow: hidden-ddl because roles belong to the cluster, and GRANT to a role that does not exist would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        GRANT SELECT, INSERT, UPDATE ON object_stores TO images_app;
    END IF;
END
$$;
