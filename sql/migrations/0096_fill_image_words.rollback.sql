-- Keeps the marks: the rollback of 0094 takes them away, after that of 0095 has restored the function that the triggers
-- call.
--
-- loses: nothing (the marks follow from the words)
-- Locks: none on a table.
-- Cost:  none.

DO $$
BEGIN
    NULL;
END
$$;
