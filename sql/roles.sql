-- The two roles of the service: images_owner and images_app.
--
-- A DBA runs this file once on the service's database, as a superuser or as its owner with CREATEROLE:
--
--     psql -d images -f sql/roles.sql
--
-- It can be repeated, and runs before or after the first migration. If there are tables to hand over, the DBA's role
-- becomes a member of images_owner. While tables change their owner, it holds short ACCESS EXCLUSIVE locks. If it does
-- not get a lock within 3 s, it changes nothing: run it again.
--
-- In this database, it revokes TEMPORARY from PUBLIC, and in the schema public, CREATE. If other roles use the same
-- database, they may need these rights. Then grant them to those roles again: GRANT TEMPORARY ON DATABASE images TO name.
--
-- images_owner  owns the schema. MIGRATION_DATABASE_URL names it: yoyo and the `images token` commands connect as it.
-- images_app    changes rows, and nothing else. DATABASE_URL names it: the service connects as it. The migrations
--               NNNN_grant_images_app.sql contain its rights on each table, so that you can review them.
-- The roles have no password. Set one with \password images_owner and \password images_app, or use pg_hba.conf.

\set ON_ERROR_STOP on

BEGIN;

SET LOCAL lock_timeout = '3s';

SELECT
    to_regrole('images_owner') IS NULL AS owner_is_missing,
    to_regrole('images_app') IS NULL AS app_is_missing
\gset

\if :owner_is_missing
CREATE ROLE images_owner LOGIN;
\endif

\if :app_is_missing
CREATE ROLE images_app LOGIN;
\endif

-- Only the owner creates objects, temporary tables included.
REVOKE TEMPORARY ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"DBNAME" TO images_owner;
GRANT CONNECT ON DATABASE :"DBNAME" TO images_app;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO images_owner;
GRANT USAGE ON SCHEMA public TO images_app;

-- If another role ran migrations before: its tables and functions become the owner's, and the rights that a migration
-- could not grant yet are granted now. A service that still runs as that role continues, as a member of images_app.
SELECT
    to_regclass('images') IS NOT NULL AS images_are_here,
    to_regclass('tokens') IS NOT NULL AS tokens_are_here,
    to_regclass('object_stores') IS NOT NULL AS stores_are_here,
    to_regclass('content_checks') IS NOT NULL AS checks_are_here,
    to_regproc('images_find_token') IS NOT NULL AS token_functions_are_here
\gset

\if :images_are_here
DO $$
DECLARE
    found record;
BEGIN
    IF NOT pg_has_role('images_owner', 'USAGE') THEN
        GRANT images_owner TO CURRENT_USER;
    END IF;

    FOR found IN
        SELECT
            format('TABLE %s', oid::regclass) AS object,
            relowner AS owner,
            relname LIKE 'image%' AS rows_are_images
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace
            AND relkind = 'r'
            AND relname IN (
                'images', 'image_terms', 'image_documents', 'tokens', 'token_usage', 'token_events',
                'object_stores', 'content_checks',
                '_yoyo_migration', '_yoyo_log', '_yoyo_version', '_yoyo_ledger', '_yoyo_ledger_backfills',
                '_yoyo_ledger_tags', 'yoyo_lock'
            )

        UNION ALL

        SELECT format('FUNCTION %s', oid::regprocedure), proowner, false
        FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
            AND proname LIKE 'images\_%'
    LOOP
        EXECUTE format('ALTER %s OWNER TO images_owner', found.object);
        IF found.rows_are_images THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO images_app', found.object);
        END IF;
        IF found.owner <> to_regrole('images_owner') AND NOT pg_has_role(found.owner, 'images_app', 'MEMBER') THEN
            EXECUTE format('GRANT images_app TO %I', pg_get_userbyid(found.owner));
        END IF;
    END LOOP;
END
$$;
\endif

\if :tokens_are_here
\ir migrations/0027_grant_images_app.sql
\endif

\if :stores_are_here
\ir migrations/0029_grant_images_app.sql
\endif

\if :checks_are_here
\ir migrations/0031_grant_images_app.sql
\endif

-- images_app uses tokens through functions, and cannot read the table, so that it cannot read the hashes of all tokens.
-- A release without these functions reads the table: run this file when no instance of such a release is left.
\if :token_functions_are_here
\ir migrations/0036_grant_images_app.sql
REVOKE ALL ON tokens FROM images_app;
REVOKE ALL (id, scope, sha256, last_used_at, revoked_at) ON tokens FROM images_app;
\endif

COMMIT;
