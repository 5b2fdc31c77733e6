-- find_idle_session: returns a row if a session waits for its next statement for as long, for pg_dump.
-- :name     its application_name
-- :seconds  how long
SELECT pid
FROM pg_stat_activity
WHERE application_name = :name
    AND starts_with(state, 'idle')
    AND state_change < clock_timestamp() - make_interval(secs => :seconds);
