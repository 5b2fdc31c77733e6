-- Keeps the terms: the rollback of 0071 deletes them, after that of 0072 has restored the function that the triggers call.
--
-- loses: nothing
-- Locks: none on a table.
-- Cost:  none.

DO $$
BEGIN
    NULL;
END
$$;
