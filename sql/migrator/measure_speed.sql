-- measure_speed: work of a known amount, which reads no table and writes nothing. A plan times it, to tell how fast this
-- machine is now. 20,000 rows fit into the smallest work_mem that is usual, so no temporary file is written.
SELECT count(*)
FROM (
    SELECT md5(number::text) AS hash
    FROM generate_series(1, 20000) AS number
    ORDER BY hash
) AS sorted;
