-- Lets the role of the service, images_app, at what it uses, and at nothing else.
--
-- What:  GRANTs, where there is such a role: sql/roles.sql makes it, and runs this file again where it came too late.
-- Why:   the service changes rows. It makes, changes and empties no table, and of the tokens it needs to find one by
--        its id and to note its use: it sees no name and makes or revokes none. yoyo's tables it may read, as all may.
-- Locks: ACCESS SHARE on each table, for the catalogue alone: reads and writes go on.
-- Cost:  none.
-- depends: 0026_create_tokens

-- allow: hidden-ddl because a role is the cluster's, not the database's: GRANT to one that is not there would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON images, image_terms, image_documents TO images_app;
        GRANT SELECT (id, scope, sha256, last_used_at, revoked_at), UPDATE (last_used_at) ON tokens TO images_app;
    END IF;
END
$$;
