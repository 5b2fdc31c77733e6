-- make_history: creates yoyo's tables on the scratch database, which has no yoyo, because a review runs the statements
-- of a file one by one. The queries of the service read the first table, so it is as yoyo 9.0 makes it. The others are
-- empty: create_ledger grants rights on them. The review then runs create_ledger and create_checks.
CREATE TABLE _yoyo_migration (
    migration_hash varchar(64) PRIMARY KEY,
    migration_id varchar(255),
    applied_at_utc timestamp
);

CREATE TABLE _yoyo_version ();

CREATE TABLE yoyo_lock ();
