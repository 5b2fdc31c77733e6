-- find_session_state: what a session does, as pg_stat_activity says, and whether its commit waits for a synchronous standby.
-- No row: it has ended, or a pooler is between. Null: the role may not know.
-- :process  its process ID
SELECT
    state,
    wait_event = 'SyncRep'
FROM pg_stat_activity
WHERE pid = :process;
