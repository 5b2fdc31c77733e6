-- find_closed_extension: this role, and why it may not create an extension. The answer has no row if it may, if the
-- database has the extension, or if the server has no such version of it.
-- :name     the extension, without quotes
-- :version  its version. null: the default one
SELECT
    quote_ident(current_user) AS role,
    CASE
        WHEN superuser AND NOT trusted THEN 'only a superuser may'
        ELSE 'it lacks the right CREATE on the database'
    END AS reason
FROM pg_available_extension_versions AS available
JOIN pg_available_extensions USING (name)
WHERE name = :name
    AND available.version = COALESCE(:version, default_version)
    AND NOT EXISTS (SELECT FROM pg_extension WHERE extname = :name)
    AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    AND superuser
    AND NOT (trusted AND has_database_privilege(current_database(), 'CREATE'));
