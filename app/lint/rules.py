"""Rules of `schema check`: their ids, levels and hints, and which of squawk's rules apply.

The ids are an interface: `-- allow:` comments, the JSON output and docs/reference/lint-rules.md contain them.
"""

from dataclasses import dataclass

UNSAFE, CARE = "unsafe", "care"


@dataclass(frozen=True)
class Rule:
    """Rule of our own. `hint` is the safe way, or "" if each finding has its own hint."""

    level: str
    hint: str
    can_be_allowed: bool = True


RULES = {
    # The migrator rejects these: app/migrations/validation.py.
    "file-name": Rule(UNSAFE, "", can_be_allowed=False),
    "file-text": Rule(UNSAFE, "", can_be_allowed=False),
    "syntax-error": Rule(UNSAFE, "", can_be_allowed=False),
    "directive": Rule(UNSAFE, "", can_be_allowed=False),
    "depends": Rule(UNSAFE, "", can_be_allowed=False),
    "rollback": Rule(UNSAFE, "", can_be_allowed=False),
    "splitting": Rule(UNSAFE, "", can_be_allowed=False),
    "transaction-control": Rule(UNSAFE, "", can_be_allowed=False),
    "client-copy": Rule(UNSAFE, "", can_be_allowed=False),
    "by-hand": Rule(UNSAFE, "", can_be_allowed=False),
    "concurrently-alone": Rule(UNSAFE, "", can_be_allowed=False),
    "concurrently-whole": Rule(UNSAFE, "", can_be_allowed=False),
    "backfill": Rule(UNSAFE, "", can_be_allowed=False),
    "session-setting": Rule(UNSAFE, "write SET LOCAL, or set_config(..., true)", can_be_allowed=False),
    "search-path": Rule(UNSAFE, "remove it, and name the schema of an object that is elsewhere: SCHEMA.NAME"),
    # Locks, scans and rewrites: lock_rules.py and alter_table_rules.py.
    "type-rewrite": Rule(
        UNSAFE, "add a column of the new type, fill it in batches, and switch the code over in a later release"
    ),
    "default-rewrite": Rule(
        UNSAFE, "add the column without the default, SET DEFAULT for new rows, and fill the old rows in batches"
    ),
    "table-rewrite": Rule(UNSAFE, "do not do this in a migration: pg_repack rewrites a table without blocking it"),
    "blocking-index": Rule(
        UNSAFE, "use CREATE INDEX CONCURRENTLY, as the only statement of a file with `-- transactional: false`"
    ),
    "blocking-index-drop": Rule(
        UNSAFE, "use DROP INDEX CONCURRENTLY, as the only statement of a file with `-- transactional: false`"
    ),
    "blocking-reindex": Rule(
        UNSAFE, "use REINDEX CONCURRENTLY, as the only statement of a file with `-- transactional: false`"
    ),
    "blocking-refresh": Rule(
        UNSAFE, "use REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index on the view"
    ),
    "check-scan": Rule(UNSAFE, "add it NOT VALID, and VALIDATE CONSTRAINT in the next file"),
    "foreign-key-scan": Rule(
        UNSAFE, "use ALTER TABLE ... ADD CONSTRAINT ... NOT VALID, and VALIDATE CONSTRAINT in the next file"
    ),
    "not-null-scan": Rule(
        UNSAFE,
        "if no release writes NULL: CHECK (... IS NOT NULL) NOT VALID, VALIDATE in the next file, then SET NOT NULL",
    ),
    "constraint-index": Rule(
        UNSAFE, "use CREATE UNIQUE INDEX CONCURRENTLY in its own file, and then ADD CONSTRAINT ... USING INDEX"
    ),
    "validate-apart": Rule(UNSAFE, "move VALIDATE CONSTRAINT to its own file"),
    "lock-table": Rule(UNSAFE, "leave the lock to the statement that needs it"),
    "lock-timeout-off": Rule(UNSAFE, "remove it: the migrator sets lock_timeout for each statement"),
    "slow-under-lock": Rule(UNSAFE, "move it to its own file, before or after the one that takes the lock"),
    "lock-order": Rule(CARE, "give each table a file of its own, or lock them in the order of the writers"),
    "commit-in-transaction": Rule(UNSAFE, "add `-- transactional: false` to the header"),
    "foreign-key-locks": Rule(
        CARE, "create the table without it, and ADD FOREIGN KEY ... NOT VALID in its own file, and then VALIDATE"
    ),
    "new-trigger": Rule(CARE, "make it the only statement of its file"),
    "partition-locks": Rule(
        CARE, "create the table with a valid CHECK that matches the bounds, and ATTACH it in its own file"
    ),
    # Data: write_rules.py.
    "unbatched-backfill": Rule(UNSAFE, "write the rows in another file, in batches: WHERE id IN (SELECT ... LIMIT n)"),
    "whole-table-write": Rule(UNSAFE, "write in batches, with a WHERE that skips the rows that are done"),
    "many-rows-write": Rule(
        UNSAFE, "use `-- backfill: TABLE`, or a loop that selects a batch with LIMIT and commits, in a file of its own"
    ),
    "copy-fails": Rule(UNSAFE, "shorten or convert the value, or leave such rows out by WHERE"),
    "system-catalog": Rule(UNSAFE, "use the statement that PostgreSQL has for the change"),
    # Indexes: index_rules.py.
    "not-immutable": Rule(UNSAFE, "use an immutable function: for a time, name the time zone (AT TIME ZONE 'UTC')"),
    "failing-expression": Rule(
        CARE, "look for such rows, and leave their values out: by WHERE with a pattern, or by CASE"
    ),
    "maintenance-path": Rule(
        UNSAFE, "first give the function SET search_path, or a body of BEGIN ATOMIC or RETURN with such functions only"
    ),
    "hot-updates": Rule(CARE, "leave the column out, or make sure that the list is worth the cost of each edit"),
    "foreign-key-index": Rule(CARE, "first create an index that begins with these columns, CONCURRENTLY"),
    # Versions of PostgreSQL: server_rules.py.
    "newer-server": Rule(
        CARE, "write it in a way that PostgreSQL 15 knows, or raise the oldest version of the project"
    ),
    # Hidden changes: migration_rules.py.
    "hidden-ddl": Rule(CARE, "write it as plain statements, one file for each purpose"),
    # The running release: release_rules.py.
    "rename-breaks": Rule(
        UNSAFE, "add the new name beside the old one, switch the code over, and drop the old one in a later release"
    ),
    "drop-breaks": Rule(UNSAFE, "first release code that does not use it, and drop it in a later release"),
    "insert-breaks": Rule(UNSAFE, "give the column a DEFAULT, or set NOT NULL in a later release"),
    "type-breaks": Rule(CARE, "add a column of the new type beside it, and switch the code over"),
    "drop-loses": Rule(
        CARE, "make sure that no release reads it and that a backup has it, and then allow it with that reason"
    ),
    "rollback-incomplete": Rule(UNSAFE, "undo each statement of the migration, in the opposite order"),
    "rollback-loses": Rule(
        UNSAFE,
        "name the loss, and count it with `-- rows to lose:`, or give the reason: `-- loses: nothing (REASON)`",
    ),
    "drop-cascade": Rule(CARE, "remove CASCADE, and drop the dependent objects by name"),
    "constraint-drop": Rule(CARE, "make sure that no code relies on it, and allow it with that reason"),
    "ambiguous-name": Rule(UNSAFE, "choose another name, or first release code that names the table: TABLE.NAME"),
    # Triggers, functions, rights and types: object_rules.py, transaction_rules.py.
    "trigger-off": Rule(UNSAFE, "replace the trigger in one file: DROP TRIGGER, and then CREATE TRIGGER"),
    "queued-writes": Rule(
        UNSAFE, "insert a row for each change and add them up later, or spread the counter over several rows"
    ),
    "autovacuum-off": Rule(CARE, "leave it on, and set its cost or its thresholds for this table"),
    "function-results": Rule(
        UNSAFE, "create a function with a new name, fill what is stored with it in batches, and then drop the old one"
    ),
    "function-replaced": Rule(CARE, "make sure that the new body serves the running release too"),
    "row-security": Rule(UNSAFE, "create the policies in the same file, before it is enabled"),
    "revoke-breaks": Rule(UNSAFE, "first release code that does not need the right"),
    "grant-public": Rule(CARE, "grant it to a role by name"),
    "enum-value": Rule(UNSAFE, "use the value in the next file"),
    "domain-scan": Rule(UNSAFE, "add it NOT VALID, and VALIDATE CONSTRAINT in the next file"),
    "create-if-not-exists": Rule(UNSAFE, "remove IF NOT EXISTS, and change the existing object with ALTER TABLE"),
    # The server and its other users: operation_rules.py.
    "server-access": Rule(UNSAFE, "do it by hand, outside of a migration"),
    "other-sessions": Rule(UNSAFE, "leave the sessions: the migrator waits for their locks, and tries again"),
    "migrator-tables": Rule(
        UNSAFE, "remove it. `yoyo mark` and `yoyo unmark` change the history, outside of a migration"
    ),
    "migrator-session": Rule(UNSAFE, "remove the statement"),
    "session-lock": Rule(CARE, "use pg_advisory_xact_lock, which the commit releases"),
    "server-settings": Rule(CARE, "set it in the configuration of the server or of the role, outside of a migration"),
    "event-trigger": Rule(UNSAFE, "let the check of the files do it"),
    "replica-identity": Rule(CARE, "make sure that each published table has a primary key"),
    "role-rights": Rule(CARE, "grant the rights that it needs, by name"),
    # Definitions: definition_rules.py.
    "column-type": Rule(CARE, ""),
    "quoted-name": Rule(CARE, "choose a name in lower case that is no reserved word"),
    "unlogged-table": Rule(CARE, "create it without UNLOGGED, or make sure that its rows may be lost at any time"),
    "wide-index": Rule(CARE, "index the columns that choose the rows, at most three"),
    "slower-queries": Rule(CARE, "measure the queries, and allow it with that reason"),
    "int-overflow": Rule(CARE, "use bigint"),
    "sequence-restart": Rule(UNSAFE, "let the sequence continue, or set it above the largest number"),
    "definer-path": Rule(CARE, "add SET search_path = pg_catalog, pg_temp, and name the schema of each table"),
    "rejected": Rule(UNSAFE, "correct the statement"),
    # Queries: query_rules.py and check.py.
    "query-header": Rule(CARE, "", can_be_allowed=False),
    "query-example": Rule(
        CARE,
        "add `-- example WORDS: EXPRESSION, ...` to the header, with an expression for each parameter",
        can_be_allowed=False,
    ),
    "select-star": Rule(CARE, "list the columns"),
    "insert-columns": Rule(UNSAFE, "list the columns"),
    "offset-paging": Rule(CARE, "page by position: (created_at, id) < ($1, $2)"),
    "allow": Rule(CARE, "", can_be_allowed=False),
}

SQUAWK_DOCS = "https://squawkhq.com/docs/"
# Squawk's rules that apply here, each with its hint. docs/reference/other-linters.md says why all others are off.
SQUAWK_RULES = {
    "ban-char-field": "use text",
    "ban-create-domain-with-constraint": "put a named CHECK on the table",
    "ban-alter-identity": "make sure that no INSERT gives the column, or leaves it out",
    "ban-drop-default": "make sure that each program that inserts gives the column",
    "ban-drop-generated-expression": "make sure that each program that writes gives the column from now on",
    "ban-drop-not-null": "first make sure that every release accepts NULL in this column",
    "ban-duplicate-column-assignments": "keep one of the assignments",
    "identifier-too-long": "choose a name of at most 63 bytes",
    "prefer-bigint-over-int": "use bigint",
    "prefer-bigint-over-smallint": "use bigint",
    "prefer-identity": "use GENERATED ALWAYS AS IDENTITY",
    "prefer-timestamp-tz": "use timestamptz",
    "require-enum-value-ordering": "add BEFORE or AFTER with an existing value",
}
