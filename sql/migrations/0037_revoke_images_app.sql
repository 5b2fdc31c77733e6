-- Revokes the right of images_app to read the table of tokens, if there is no token yet.
--
-- What:  REVOKEs, if the role exists and tokens is empty. If tokens has rows, it does nothing: then sql/roles.sql
--        revokes the right, when a DBA runs it again.
-- Why:   * This release uses the functions of 0034, and needs no right on the table.
--        * The release before reads the table. While one of its instances runs, a REVOKE would make it answer every
--          client with 503. A database without a token has no client of that release.
--        * So a new installation never has the right, and an old one loses it after the deploy, by hand.
-- Locks: ACCESS SHARE on tokens for a catalog change. No table of images is locked.
-- Cost:  none.
-- depends: 0036_grant_images_app

-- allow: revoke-breaks because no query of this release reads the table as images_app, but those of `images token` do
-- allow: hidden-ddl because roles belong to the cluster, and REVOKE from a role that does not exist would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL AND NOT EXISTS (SELECT FROM tokens) THEN
        REVOKE ALL ON tokens FROM images_app;
        REVOKE ALL (id, scope, sha256, last_used_at, revoked_at) ON tokens FROM images_app;
    END IF;
END
$$;
