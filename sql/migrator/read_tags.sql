-- read_tags: returns the tags of this database with their migrations, the oldest first.
SELECT
    name,
    migration_ids,
    digests,
    tagged_at,
    username,
    hostname
FROM _yoyo_ledger_tags
ORDER BY tagged_at, name;
