-- find_lock_row: the process in yoyo's own lock row. If find_holder finds no session, a migrator that died left the
-- row, or stock yoyo is running.
SELECT pid
FROM yoyo_lock;
