-- make_history: yoyo's tables, of which the service's queries read the first: as yoyo 9.0 makes it, and the others empty,
-- for create_ledger to grant. The scratch database has no yoyo: a review runs the statements of a file one by one.
CREATE TABLE _yoyo_migration (
    migration_hash varchar(64) PRIMARY KEY,
    migration_id varchar(255),
    applied_at_utc timestamp
);

CREATE TABLE _yoyo_version ();

CREATE TABLE yoyo_lock ();
