-- list_tables: returns the tables of the migrations' schema, also those that this role may not read.
SELECT tablename
FROM pg_tables
WHERE schemaname = current_schema()
ORDER BY tablename;
