-- read_transactions: returns how many transactions have begun to write so far.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS transactions;
