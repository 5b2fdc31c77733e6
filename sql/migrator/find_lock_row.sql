-- find_lock_row: the process in yoyo's own lock row. One that find_holder does not have behind it was left by a migrator
-- that died; or stock yoyo is at work.
SELECT pid
FROM yoyo_lock;
