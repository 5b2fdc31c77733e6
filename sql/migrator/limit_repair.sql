-- limit_repair: lets a repair of derived rows wait only half a second for a lock. That is less than deadlock_timeout has by
-- default. So in a deadlock the repair gives way, and no writer is cut off.
SELECT set_config('lock_timeout', '500ms', true);
