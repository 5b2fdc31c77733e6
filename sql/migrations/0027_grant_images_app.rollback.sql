-- Revokes the rights of images_app. A service that runs as this role fails from then on, until the next apply.
--
-- loses: nothing
-- Locks: ACCESS SHARE on each table for a catalog change: reads and writes continue.
-- Cost:  none.

-- allow: hidden-ddl because roles belong to the cluster, and REVOKE from a role that does not exist would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        REVOKE ALL ON images, image_terms, image_documents, tokens FROM images_app;
        REVOKE ALL (id, scope, sha256, last_used_at, revoked_at) ON tokens FROM images_app;
    END IF;
END
$$;
