-- find_process: the number of the server process that answers, by which a pooler is noticed.
SELECT pg_backend_pid();
