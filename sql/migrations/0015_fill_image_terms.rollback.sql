-- Leaves the rows: the triggers of 0014 keep them true, and a release that still reads them finds what it expects. The
-- rollback of 0012 and 0013 drops them with their tables.
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
