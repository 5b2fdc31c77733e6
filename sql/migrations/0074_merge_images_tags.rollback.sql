-- Keeps the merged tags. The release of before reads them too.
--
-- loses: nothing (0074 itself has removed the second of equal tags, and the blanks at the ends of tags)
-- Locks: none on a table.
-- Cost:  none.

DO $$
BEGIN
    NULL;
END
$$;
