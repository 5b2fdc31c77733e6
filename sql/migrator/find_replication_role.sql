-- find_replication_role: session_replication_role, and where it is set, if the migrator needs another value and this role
-- may not set it. With `replica`, no trigger would run, so rows would differ from those of other databases.
SELECT
    setting,
    source
FROM pg_settings
WHERE name = 'session_replication_role'
    AND setting <> 'origin'
    AND NOT has_parameter_privilege('session_replication_role', 'SET');
