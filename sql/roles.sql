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
--
-- `images database create` runs this file, too. It also gives names to the roles of a second installation in the cluster:
--
--     psql -d shop -v owner=shop_owner -v app=shop_app -f sql/roles.sql
--
-- Repeat it with the same names. If the tables belong to another owner that this file made, or the database has another
-- login, it changes nothing and says so. To give such tables to another owner, name the former one, which then loses its
-- rights here: -v former=NAME.
--
-- The migrations grant rights to images_app. So shop_app becomes a member of images_app, which then has no login. A role
-- belongs to the cluster, and its rights on tables to one database. So a database is open only to its own login: CONNECT
-- is revoked from PUBLIC and from images_app.

\set ON_ERROR_STOP on

\if :{?owner}
\else
\set owner images_owner
\endif
\if :{?app}
\else
\set app images_app
\endif
\if :{?former}
\else
\set former ''
\endif

BEGIN;

SET LOCAL lock_timeout = '3s';

SELECT
    set_config('images.owner', :'owner', true) AS owner,
    set_config('images.app', :'app', true) AS app,
    set_config('images.former', :'former', true) AS former,
    to_regrole(quote_ident(nullif(:'former', :'owner'))) IS NOT NULL AS former_is_here,
    :'app' <> 'images_app' AS app_has_own_name,
    to_regrole(quote_ident(:'owner')) IS NULL AS owner_is_missing,
    to_regrole(quote_ident(:'app')) IS NULL AS app_is_missing,
    to_regrole('images_app') IS NULL AS group_is_missing
\gset

-- The names of another installation must not take this one. An owner of this file has the rights below, each granted by
-- name. The login of a former service lacks them.
DO $$
DECLARE
    own_owner CONSTANT text := current_setting('images.owner');
    own_app CONSTANT text := current_setting('images.app');
    other_owner text;
    other_app text;
BEGIN
    IF NOT EXISTS (
        SELECT
        FROM pg_namespace
        CROSS JOIN aclexplode(nspacl) AS granted
        WHERE nspname = 'public'
            AND grantee = to_regrole('images_app')
    ) THEN
        RETURN; -- this file has not run here
    END IF;

    SELECT string_agg(DISTINCT rolname, ', ')
    INTO other_owner
    FROM pg_class
    JOIN pg_roles ON pg_roles.oid = relowner
    WHERE relnamespace = 'public'::regnamespace
        AND relname IN ('images', 'tokens', '_yoyo_migration', '_yoyo_ledger')
        AND rolname NOT IN (own_owner, current_setting('images.former'))
        AND NOT rolsuper
        AND EXISTS (
            SELECT
            FROM pg_namespace
            CROSS JOIN aclexplode(nspacl) AS granted
            WHERE nspname = 'public'
                AND grantee = relowner
                AND granted.privilege_type = 'CREATE'
        )
        AND EXISTS (
            SELECT
            FROM pg_database
            CROSS JOIN aclexplode(datacl) AS granted
            WHERE datname = current_database()
                AND grantee = relowner
                AND granted.privilege_type = 'TEMPORARY'
        );

    SELECT string_agg(rolname, ', ' ORDER BY rolname)
    INTO other_app
    FROM pg_database
    CROSS JOIN aclexplode(datacl) AS granted
    JOIN pg_auth_members ON member = grantee AND roleid = to_regrole('images_app')
    JOIN pg_roles ON pg_roles.oid = grantee
    WHERE datname = current_database()
        AND privilege_type = 'CONNECT'
        AND rolcanlogin
        AND NOT rolsuper
        AND rolname NOT IN (own_owner, current_setting('images.former'))
        AND rolname IS DISTINCT FROM other_owner;

    IF other_owner IS NOT NULL THEN
        RAISE EXCEPTION 'the tables in the database % belong to %, not to %', current_database(), other_owner, own_owner
            USING HINT = format(
                'Name both roles: -v owner=%s -v app=%s, or images database create %s --owner %s --app %s. '
                'To give the tables to %s all the same: -v former=%s, or --former %s.',
                other_owner, coalesce(other_app, 'NAME'),
                current_database(), other_owner, coalesce(other_app, 'NAME'),
                own_owner, other_owner, other_owner
            );
    END IF;
    IF own_app = 'images_app'
        AND other_app IS NOT NULL
        AND NOT has_database_privilege('images_app', current_database(), 'CONNECT')
    THEN
        RAISE EXCEPTION 'the login of the database % is %, not images_app', current_database(), other_app
            USING HINT = format('Name both roles: -v owner=%s -v app=%s.', own_owner, other_app);
    END IF;
END
$$;

-- A login of one installation must not reach the tables of another one by way of images_app.
DO $$
DECLARE
    own CONSTANT text := current_setting('images.app');
    other text;
BEGIN
    IF own = 'images_app' THEN
        SELECT string_agg(member::regrole::text, ', ' ORDER BY member::regrole::text)
        INTO other
        FROM pg_auth_members
        JOIN pg_roles ON pg_roles.oid = member
        JOIN pg_database ON has_database_privilege(member, pg_database.oid, 'CONNECT')
        WHERE roleid = to_regrole('images_app')
            AND rolcanlogin
            AND NOT rolsuper
            AND datname <> current_database()
            AND NOT has_database_privilege('public', pg_database.oid, 'CONNECT');
        IF other IS NOT NULL THEN
            RAISE EXCEPTION 'images_app has members that belong to another installation: %', other
                USING HINT = 'Give this installation roles of its own: images database create NAME, '
                    'or psql -v owner=NAME_owner -v app=NAME_app.';
        END IF;
    ELSE
        SELECT string_agg(quote_ident(datname), ', ' ORDER BY datname)
        INTO other
        FROM pg_database
        CROSS JOIN aclexplode(datacl) AS granted
        WHERE grantee = to_regrole('images_app')
            AND privilege_type = 'CONNECT'
            AND datname <> current_database();
        IF other IS NOT NULL THEN
            RAISE EXCEPTION 'images_app is the login of another installation, in the database %', other
                USING HINT = format(
                    'Give that installation a login of its own first: images database create %s --app NAME.', other
                );
        END IF;
    END IF;
END
$$;

\if :owner_is_missing
CREATE ROLE :"owner" LOGIN;
\endif

\if :app_has_own_name
    \if :group_is_missing
    CREATE ROLE images_app NOLOGIN;
    \endif
    \if :app_is_missing
    CREATE ROLE :"app" LOGIN;
    \endif
    GRANT images_app TO :"app";
    REVOKE CONNECT ON DATABASE :"DBNAME" FROM PUBLIC, images_app;
\else
    \if :app_is_missing
    CREATE ROLE images_app LOGIN;
    \endif
\endif

-- Only the owner creates objects, temporary tables included.
REVOKE TEMPORARY ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"DBNAME" TO :"owner";
GRANT CONNECT ON DATABASE :"DBNAME" TO :"app";
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO :"owner";
GRANT USAGE ON SCHEMA public TO images_app;

\if :former_is_here
REVOKE CONNECT, TEMPORARY ON DATABASE :"DBNAME" FROM :"former";
REVOKE USAGE, CREATE ON SCHEMA public FROM :"former";
\endif

-- If another role ran migrations before: its tables and functions become the owner's. The rights that a migration
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
    owner CONSTANT name := current_setting('images.owner');
    found record;
BEGIN
    IF NOT pg_has_role(owner, 'USAGE') THEN
        EXECUTE format('GRANT %I TO CURRENT_USER', owner);
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
                'images', 'image_terms', 'image_documents', 'image_words', 'tokens', 'token_usage', 'token_events',
                'object_stores', 'content_checks', 'merged_tags',
                '_yoyo_migration', '_yoyo_log', '_yoyo_version', '_yoyo_ledger', '_yoyo_ledger_backfills',
                '_yoyo_ledger_tags', 'yoyo_lock'
            )

        UNION ALL

        SELECT format('FUNCTION %s', oid::regprocedure), proowner, false
        FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
            AND proname LIKE 'images\_%'
    LOOP
        EXECUTE format('ALTER %s OWNER TO %I', found.object, owner);
        IF found.rows_are_images THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO images_app', found.object);
        END IF;
        IF found.owner <> to_regrole(quote_ident(owner))
            AND pg_get_userbyid(found.owner) <> current_setting('images.former')
            AND NOT pg_has_role(found.owner, 'images_app', 'MEMBER')
        THEN
            EXECUTE format('GRANT images_app TO %I', pg_get_userbyid(found.owner));
        END IF;
    END LOOP;
END
$$;
\endif

-- As 0027 does. The tables of images have their rights already.
\if :tokens_are_here
GRANT SELECT (id, scope, sha256, last_used_at, revoked_at), UPDATE (last_used_at) ON tokens TO images_app;
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
