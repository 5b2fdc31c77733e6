-- flush_counters: flushes the counters of this session at the end of the statement, so that the next one can read them.
SELECT
    pg_stat_force_next_flush(),
    pg_stat_clear_snapshot();
