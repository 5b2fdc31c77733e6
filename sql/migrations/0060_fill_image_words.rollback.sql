-- Keeps the rows: the triggers of 0059 still maintain them, and 0060 would write the same ones again.
--
-- loses: nothing
-- Locks: none on a table.
-- Cost:  none.

DO $$
BEGIN
    NULL;
END
$$;
