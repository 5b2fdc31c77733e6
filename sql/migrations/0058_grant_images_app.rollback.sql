-- Revokes the rights of images_app on the words of images. The triggers do not write them by then: the rollback of 0059
-- ran before.
--
-- loses: nothing
-- Locks: ACCESS SHARE on image_words for a catalog change. No table of images is locked.
-- Cost:  none.

-- allow: hidden-ddl because roles belong to the cluster, and REVOKE from a role that does not exist would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        REVOKE ALL ON image_words FROM images_app;
    END IF;
END
$$;
