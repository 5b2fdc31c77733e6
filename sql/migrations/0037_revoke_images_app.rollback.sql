-- Grants images_app the right to read the table of tokens again, as 0027 does. Do this before you go back to a release
-- that reads the table.
--
-- loses: nothing
-- Locks: ACCESS SHARE on tokens for a catalog change. No table of images is locked.
-- Cost:  none.

-- allow: hidden-ddl because roles belong to the cluster, and GRANT to a role that does not exist would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        GRANT SELECT (id, scope, sha256, last_used_at, revoked_at), UPDATE (last_used_at) ON tokens TO images_app;
    END IF;
END
$$;
