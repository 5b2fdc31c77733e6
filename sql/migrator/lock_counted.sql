-- lock_counted: locks the tables that were counted, so that no rows can come in before the end of the transaction. It
-- runs in the transaction of a rollback that can lose rows, when the count is zero. The locks that the count took show
-- which tables these are.
DO $$
DECLARE
    counted regclass;
BEGIN
    FOR counted IN
        SELECT relation
        FROM pg_locks
        JOIN pg_class ON pg_class.oid = relation
        WHERE pid = pg_backend_pid() AND relkind IN ('r', 'p') AND relnamespace <> 'pg_catalog'::regnamespace
    LOOP
        EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', counted);
    END LOOP;
END $$;
