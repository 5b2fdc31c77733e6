-- record_objects_check: records that `images objects check` has looked at everything.
-- Index: none, at most one row.
UPDATE object_stores
SET checked_at = now()
WHERE is_only
RETURNING checked_at;
