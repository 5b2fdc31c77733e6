-- forget_session: removes what a migration can leave in its session: temporary tables, prepared statements, cursors, and
-- the last values of sequences. The migrator runs it before each migration. Otherwise a migration could use those of an
-- earlier one, or collide with them, but only if both run in one command.
-- Statements that psycopg has prepared stay.
DO $$
DECLARE
    left_over text;
BEGIN
    FOR left_over IN SELECT name FROM pg_prepared_statements WHERE from_sql LOOP
        EXECUTE format('DEALLOCATE %I', left_over);
    END LOOP;
    FOR left_over IN SELECT name FROM pg_cursors WHERE is_holdable LOOP
        EXECUTE format('CLOSE %I', left_over);
    END LOOP;
    DISCARD SEQUENCES;
    DISCARD TEMP;
END $$;
