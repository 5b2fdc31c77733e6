-- prepare_batch: settings for the statement of one batch, until the end of its transaction.
-- enable_seqscan: PostgreSQL cannot estimate how few rows are between two keys of several columns: (a, b) BETWEEN
-- ($1, $2) AND ($3, $4). In the middle of the key it expects a fifth of the table. If the rows are not stored in the
-- order of the key, it would then read the whole table for each batch. Two of a million rows took 1.8 s instead of 0.3 ms.
-- synchronous_commit: a batch does not wait for the disk, nor for a replica. If the server crashes, it can lose the last
-- batches, and with each its position. So the next run does them again. The record that all batches are done waits.
SELECT
    set_config('enable_seqscan', 'off', true),
    set_config('synchronous_commit', 'off', true);
