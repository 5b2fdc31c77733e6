-- Grants the role of the service, images_app, its rights on the words of images.
--
-- What:  GRANTs, if the role exists. sql/roles.sql creates the role, and grants the same if the role came later.
-- Why:   the service reads the words, and the triggers of images write them as the role that writes images.
-- Locks: ACCESS SHARE on image_words for a catalog change. No table of images is locked.
-- Cost:  none.
-- depends: 0057_create_image_words

-- allow: hidden-ddl because roles belong to the cluster, and GRANT to a role that does not exist would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON image_words TO images_app;
    END IF;
END
$$;
