-- record_lock: writes yoyo's own lock row beside the advisory lock, so that stock yoyo waits too. A row that exists
-- already was left by a migrator that died. The holder of the advisory lock may replace it.
-- :pid  process of the migrator, which stock yoyo prints
INSERT INTO yoyo_lock (locked, ctime, pid)
VALUES (1, now() AT TIME ZONE 'UTC', :pid)
ON CONFLICT (locked) DO UPDATE
SET
    ctime = EXCLUDED.ctime,
    pid = EXCLUDED.pid;
