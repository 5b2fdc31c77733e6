-- Leaves the words as they are: the rollback of 0076 writes them.
--
-- loses: nothing
-- Locks: none on a table.
-- Cost:  none.

DO $$
BEGIN
    NULL;
END
$$;
