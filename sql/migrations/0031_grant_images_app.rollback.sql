-- Revokes the rights of images_app on the results of the checks of contents. Uploads of known bytes still succeed.
--
-- loses: nothing
-- Locks: ACCESS SHARE on content_checks for a catalog change. No table of images is locked.
-- Cost:  none.

-- allow: hidden-ddl because roles belong to the cluster, and REVOKE from a role that does not exist would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        REVOKE ALL ON content_checks FROM images_app;
    END IF;
END
$$;
