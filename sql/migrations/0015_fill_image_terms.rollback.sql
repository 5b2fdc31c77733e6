-- Keeps the rows: the triggers of 0014 still maintain them, and a release that reads them finds what it expects. The
-- rollbacks of 0012 and 0013 drop them with their tables.
--
-- loses: nothing
-- Locks: none.
-- Cost:  none.
-- transactional: false

DO $$
BEGIN
    COMMIT;
END
$$;
