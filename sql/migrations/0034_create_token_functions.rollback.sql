-- Drops the functions. A release that uses them then rejects every client with 503.
--
-- loses: nothing
-- Locks: ACCESS EXCLUSIVE on the functions. Running calls continue. No table is locked.
-- Cost:  none.

DROP FUNCTION images_count_upload_bytes(uuid, bigint, date);

DROP FUNCTION images_take_requests(uuid, bigint);

DROP FUNCTION images_touch_token(uuid);

DROP FUNCTION images_find_token(uuid);
