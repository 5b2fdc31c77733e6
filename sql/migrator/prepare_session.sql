-- prepare_session: what holds for the one connection that migrates. Called once, after it is opened.
-- A server process whose client is gone notices within a second, even in the middle of a statement, and ends:
-- so the lock below lives no longer than the migrator. A statement queues for a table's lock for 3 seconds at most,
-- so that traffic never piles up behind it; statements that build CONCURRENTLY are exempt (wait_for_transactions).
SELECT
    set_config('client_connection_check_interval', '1s', false),
    set_config('lock_timeout', '3s', false);
