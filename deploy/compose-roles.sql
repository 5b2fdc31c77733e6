-- The roles of sql/roles.sql with the passwords of deploy/compose-secrets, for compose.yaml.
--
-- PostgreSQL's container runs this file when it creates the database. For a database that is there, run it yourself:
--
--     docker compose exec postgres psql -U images -f /docker-entrypoint-initdb.d/compose-roles.sql images
--
-- It can be repeated. It also sets a changed password.

\ir ../sql/roles.sql

\if :{?secrets}
\else
\set secrets /run/secrets
\endif
\set owner_password `cat :'secrets'/owner_password`
\set app_password `cat :'secrets'/app_password`

SELECT '' IN (:'owner_password', :'app_password') AS password_is_missing
\gset
\if :password_is_missing
DO $$
BEGIN
    RAISE EXCEPTION 'a password of a role is missing'
        USING HINT = 'Run deploy/compose-secrets, and restart PostgreSQL''s container.';
END
$$;
\endif

ALTER ROLE :"owner" PASSWORD :'owner_password';
ALTER ROLE :"app" PASSWORD :'app_password';
