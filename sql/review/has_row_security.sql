-- has_row_security: whether a table has row level security, so that the service may read otherwise than the owner.
SELECT relname FROM pg_class WHERE relrowsecurity ORDER BY relname LIMIT 1;
