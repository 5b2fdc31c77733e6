-- Revokes the rights of images_app on the identity of the object store. The service then serves without comparing it.
--
-- loses: nothing
-- Locks: ACCESS SHARE on object_stores for a catalog change. No table of images is locked.
-- Cost:  none.

-- allow: hidden-ddl because roles belong to the cluster, and REVOKE from a role that does not exist would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        REVOKE ALL ON object_stores FROM images_app;
    END IF;
END
$$;
