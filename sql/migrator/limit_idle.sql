-- limit_idle: ends the session if this transaction waits so long for the migrator. The migrator runs it in each transaction
-- of a migration or of a batch, which may hold the locks of tables and rows. A migrator that is stopped (Ctrl+Z, output that
-- no program reads) would otherwise hold them for as long. It needs milliseconds between two statements.
-- :milliseconds  the limit.
SELECT set_config('idle_in_transaction_session_timeout', :milliseconds, true);
