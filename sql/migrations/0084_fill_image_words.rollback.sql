-- Keeps the terms: the rollback of 0082 takes their `=` away, after that of 0083 has restored the function that the
-- triggers call.
--
-- loses: nothing (the `=` that 0084 writes follows from the words)
-- Locks: none on a table.
-- Cost:  none.

DO $$
BEGIN
    NULL;
END
$$;
