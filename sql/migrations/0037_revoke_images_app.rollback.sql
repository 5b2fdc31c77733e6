-- Revokes the expired tokens, and grants images_app the right to read the table of tokens again, as 0027 does.
--
-- What:  run this file with psql, as images_owner, before you go back to a release that reads the table. Then 0037 stays
--        applied, so instances of this release stay ready meanwhile. `yoyo rollback` makes them not ready.
-- Why:   that release does not know when tokens expire. A token that expires while it runs works until you revoke it.
-- loses: nothing
-- Locks: ACCESS SHARE on tokens for a catalog change. No table of images is locked.
-- Cost:  none.

-- allow: many-rows-write because a catalogue has few tokens
UPDATE tokens
SET revoked_at = expires_at
WHERE expires_at <= now()
    AND revoked_at IS NULL;

-- allow: hidden-ddl because roles belong to the cluster, and GRANT to a role that does not exist would fail
DO $$
BEGIN
    IF to_regrole('images_app') IS NOT NULL THEN
        GRANT SELECT (id, scope, sha256, last_used_at, revoked_at), UPDATE (last_used_at) ON tokens TO images_app;
    END IF;
END
$$;
