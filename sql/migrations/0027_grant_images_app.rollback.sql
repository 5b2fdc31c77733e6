-- Takes from images_app what it was granted: a service that runs as it fails from then on, until the next apply.
--
-- loses: nothing
-- Locks: ACCESS SHARE on each table, for the catalogue alone: reads and writes go on.
-- Cost:  none.

-- allow: hidden-ddl because a role is the cluster's, not the database's: REVOKE from one that is not there would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        REVOKE ALL ON images, image_terms, image_documents, tokens FROM images_app;
        REVOKE ALL (id, scope, sha256, last_used_at, revoked_at) ON tokens FROM images_app;
    END IF;
END
$$;
