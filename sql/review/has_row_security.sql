-- has_row_security: whether a table has row level security, so that the service may read otherwise than the owner.
SELECT FROM pg_class WHERE relrowsecurity LIMIT 1;
