-- find_replication_role: returns session_replication_role and its source, unless the value is `origin`, or this role may set
-- it. With `replica`, no trigger would run, so rows would differ from those of other databases.
SELECT
    setting,
    source
FROM pg_settings
WHERE name = 'session_replication_role'
    AND setting <> 'origin'
    AND NOT has_parameter_privilege('session_replication_role', 'SET');
