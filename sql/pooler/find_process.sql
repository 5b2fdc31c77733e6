-- find_process: returns the process number of the server, for the check whether a pooler is in between.
SELECT pg_backend_pid();
