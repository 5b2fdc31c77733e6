-- find_waiting: finds the sessions of a trial that wait for a lock.
-- :processes  their server processes
SELECT pid
FROM pg_stat_activity
WHERE pid = ANY (:processes)
    AND wait_event_type = 'Lock';
