-- end_transaction_timeout: the first statement of a connection of the migrator to PostgreSQL 17 or newer. It takes less
-- than a millisecond. If transaction_timeout still ends the connection, the migrator connects again with an option.
SET transaction_timeout = 0;
