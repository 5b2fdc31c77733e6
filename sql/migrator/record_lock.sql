-- record_lock: puts up yoyo's own row beside the advisory lock, so that stock yoyo waits too. A row that is there
-- already was left by a migrator that died: whoever holds the advisory lock may take it over.
-- :pid  the migrator's process, as stock yoyo will name it
INSERT INTO yoyo_lock (locked, ctime, pid)
VALUES (1, now() AT TIME ZONE 'UTC', :pid)
ON CONFLICT (locked) DO UPDATE
SET
    ctime = EXCLUDED.ctime,
    pid = EXCLUDED.pid;
