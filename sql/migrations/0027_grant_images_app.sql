-- Grants the role of the service, images_app, the rights that it needs, and no others.
--
-- What:  GRANTs, if the role exists. sql/roles.sql creates the role, and runs this file again if the role came later.
-- Why:   the service changes rows. It creates, alters, and truncates no table. Of tokens it needs only to find one by
--        its ID and to record its use. It cannot read names, and cannot create or revoke tokens. Every role may read
--        yoyo's tables.
-- Locks: ACCESS SHARE on each table for a catalog change: reads and writes continue.
-- Cost:  none.
-- depends: 0026_create_tokens

-- allow: hidden-ddl because roles belong to the cluster, and GRANT to a role that does not exist would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON images, image_terms, image_documents TO images_app;
        GRANT SELECT (id, scope, sha256, last_used_at, revoked_at), UPDATE (last_used_at) ON tokens TO images_app;
    END IF;
END
$$;
