-- Drops the table of the use of tokens with limits. Their day begins again.
--
-- loses: how many bytes each token with a limit has uploaded today
-- rows to lose: SELECT count(*) FROM token_usage
-- Locks: ACCESS EXCLUSIVE on token_usage. No release uses it after the rollback of 0034.
-- Cost:  none.

DROP TABLE token_usage;
