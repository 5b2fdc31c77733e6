-- Leaves the terms away: the rollback of 0076 inserts them, after that of 0077 has restored the function that the triggers call.
--
-- loses: nothing
-- Locks: none on a table.
-- Cost:  none.

DO $$
BEGIN
    NULL;
END
$$;
