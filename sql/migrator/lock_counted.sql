-- lock_counted: in the transaction of a rollback that loses rows, once they were counted and there were none: locks the
-- tables that were counted, so that none can come in before it is done. They are known by the locks that counting took.
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
