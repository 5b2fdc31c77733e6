"""app.lint.rules: to be described."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the import of pglast takes 50 ms
    pass


ON = "https://squawkhq.com/docs/"
# Squawk's rules that are held here, each with the safe way. All others are off, for the reason given in OFF.
KEPT = {
    "ban-alter-domain-with-add-constraint": "add it NOT VALID, or put a CHECK on the table",
    "ban-char-field": "use text",
    "ban-create-domain-with-constraint": "put a named CHECK on the table",
    "ban-drop-not-null": "see first that no release takes the column for never NULL",
    "ban-duplicate-column-assignments": "leave one",
    "identifier-too-long": "choose a name of at most 63 bytes",
    "prefer-bigint-over-int": "use bigint",
    "prefer-bigint-over-smallint": "use bigint",
    "prefer-identity": "use GENERATED ALWAYS AS IDENTITY",
    "prefer-text-field": "use text, and a named CHECK for its length",
    "prefer-timestamp-tz": "use timestamptz",
    "require-enum-value-ordering": "say BEFORE or AFTER which value",
}
MADE_OF_CODE = "the tables of a release go by our own drop-breaks, drop-loses and drop-cascade, which know the queries"
OFF = {
    "syntax-error": "PostgreSQL's own parser reads the files: squawk's refuses some that PostgreSQL takes",
    **dict.fromkeys(
        ("require-lock-timeout", "require-statement-timeout", "require-timeout-settings"),
        "the migrator sets lock_timeout for each statement, and a long VALIDATE is not to be cut off",
    ),
    "prefer-robust-stmts": "IF NOT EXISTS would take an INVALID index, or another table, for the wanted one",
    "require-table-schema": "the search path of the migrator's role decides, one schema for each catalogue",
    **dict.fromkeys(
        (
            "adding-field-with-default",
            "adding-serial-primary-key-field",
            "prefer-repack",
            "ban-drop-generated-expression",
        ),
        "our default-rewrite and table-rewrite know which of them write the table, and which tables are in use",
    ),
    **dict.fromkeys(
        ("changing-column-type",), "our type-rewrite and type-breaks know the former type, the CHECKs and the indexes"
    ),
    **dict.fromkeys(
        ("adding-foreign-key-constraint", "constraint-missing-not-valid", "disallowed-unique-constraint"),
        "our check-scan, foreign-key-scan and constraint-index know which tables are in use, and look into DO",
    ),
    **dict.fromkeys(
        ("adding-not-nullable-field", "adding-required-field"),
        "our not-null-scan knows the valid CHECKs, our insert-breaks the INSERTs",
    ),
    **dict.fromkeys(
        ("require-concurrent-index-creation", "require-concurrent-index-deletion", "require-concurrent-reindex"),
        "our blocking-index, blocking-index-drop and blocking-reindex know which tables are in use",
    ),
    **dict.fromkeys(
        ("ban-concurrent-index-creation-in-transaction", "transaction-nesting", "ban-uncommitted-transaction"),
        "the migrator refuses these itself: concurrently-alone, transaction-control",
    ),
    "require-concurrent-partition-detach": "CONCURRENTLY runs in no migration: partition-locks says what to do",
    **dict.fromkeys(
        ("renaming-column", "renaming-table", "renaming-object"), "our rename-breaks lets indexes be renamed"
    ),
    **dict.fromkeys(
        (
            *(
                "ban-drop-column",
                "ban-drop-table",
                "ban-drop-view",
                "ban-drop-function",
                "ban-drop-type",
                "ban-drop-schema",
            ),
            *("ban-drop-sequence", "ban-drop-domain", "ban-drop-constraint", "ban-drop-index", "ban-drop-default"),
            *("ban-drop-extension", "ban-drop-policy", "ban-drop-trigger", "ban-truncate-cascade", "ban-set-schema"),
        ),
        MADE_OF_CODE,
    ),
    "ban-drop-database": "the migrator refuses it: by-hand",
    **dict.fromkeys(
        ("ban-alter-identity",),
        "no fault by itself",
    ),
}


UNSAFE, CARE = "unsafe", "care"


@dataclass(frozen=True)
class Rule:
    level: str
    instead: str  # the safe way; "" where each finding has its own
    fixed: bool = False  # cannot be silenced


RULES = {
    # What the migrator refuses: app/migrations/validation.py.
    "file-name": Rule(UNSAFE, "", True),
    "file-text": Rule(UNSAFE, "", True),
    "syntax-error": Rule(UNSAFE, "", True),
    "directive": Rule(UNSAFE, "", True),
    "depends": Rule(UNSAFE, "", True),
    "rollback": Rule(UNSAFE, "", True),
    "splitting": Rule(UNSAFE, "", True),
    "transaction-control": Rule(UNSAFE, "", True),
    "client-copy": Rule(UNSAFE, "", True),
    "by-hand": Rule(UNSAFE, "", True),
    "concurrently-alone": Rule(UNSAFE, "", True),
    "concurrently-whole": Rule(UNSAFE, "", True),
    "session-setting": Rule(UNSAFE, "write SET LOCAL, or set_config(..., true)", True),
    # Locks and rewrites.
    "type-rewrite": Rule(UNSAFE, "add a column of the new type, fill it in batches, switch over in a later release"),
    "default-rewrite": Rule(
        UNSAFE, "add the column without it; SET DEFAULT for rows to come; fill the others in batches"
    ),
    "table-rewrite": Rule(UNSAFE, "leave it out of migrations; pg_repack does it beside the traffic"),
    "blocking-index": Rule(UNSAFE, "CREATE INDEX CONCURRENTLY, alone in a file that says `-- transactional: false`"),
    "blocking-index-drop": Rule(UNSAFE, "DROP INDEX CONCURRENTLY, alone in a file that says `-- transactional: false`"),
    "blocking-reindex": Rule(
        UNSAFE, "REINDEX CONCURRENTLY, by hand; or a new index CONCURRENTLY, then drop the old one"
    ),
    "blocking-refresh": Rule(UNSAFE, "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index on the view"),
    "check-scan": Rule(UNSAFE, "add it NOT VALID; VALIDATE CONSTRAINT in the next file"),
    "foreign-key-scan": Rule(
        UNSAFE, "add it NOT VALID, in ALTER TABLE ... ADD CONSTRAINT; VALIDATE CONSTRAINT in the next file"
    ),
    "not-null-scan": Rule(
        UNSAFE, "add CHECK (... IS NOT NULL) NOT VALID; VALIDATE it in the next file; then SET NOT NULL"
    ),
    "constraint-index": Rule(
        UNSAFE, "CREATE UNIQUE INDEX CONCURRENTLY in a file of its own; then ADD CONSTRAINT ... USING INDEX"
    ),
    "validate-apart": Rule(UNSAFE, "VALIDATE CONSTRAINT in a file of its own"),
    "unbatched-backfill": Rule(UNSAFE, "write the rows in another file, in batches: WHERE id IN (SELECT ... LIMIT n)"),
    "whole-table-write": Rule(UNSAFE, "write in batches, with a WHERE that leaves out what is done"),
    "lock-table": Rule(UNSAFE, "leave the lock to the statement that needs it"),
    "lock-timeout-off": Rule(UNSAFE, "leave it out: the migrator sets lock_timeout for each statement"),
    "foreign-key-locks": Rule(
        CARE, "make it without; ADD FOREIGN KEY ... NOT VALID in a file of its own, then VALIDATE"
    ),
    "new-trigger": Rule(CARE, "let it be the only statement of its file"),
    "partition-locks": Rule(
        CARE, "make the table apart, with a valid CHECK like the bounds; ATTACH it in a file of its own"
    ),
    "hidden-ddl": Rule(CARE, "write it as plain statements, one file for each purpose"),
    # What the release that runs now would meet.
    "rename-breaks": Rule(UNSAFE, "add the new one beside it, move the code over, drop the old one in a later release"),
    "drop-breaks": Rule(UNSAFE, "release the code that does without it first; drop it in a later release"),
    "insert-breaks": Rule(UNSAFE, "give the column a DEFAULT, or take its NOT NULL later"),
    "type-breaks": Rule(CARE, "add a column of the new type beside it, and move the code over"),
    "drop-loses": Rule(CARE, "see that no release reads it and that a backup has it; then allow it with that reason"),
    "drop-cascade": Rule(CARE, "leave out CASCADE, and drop what depends on it by name"),
    "create-if-not-exists": Rule(UNSAFE, "take IF NOT EXISTS out, and change what is there with ALTER TABLE"),
    # Queries.
    "query-header": Rule(CARE, "", True),
    "query-example": Rule(
        CARE, "add `-- example WORDS: EXPR, ...` to the header, an expression for each parameter", True
    ),
    "select-star": Rule(CARE, "list the columns"),
    "insert-columns": Rule(UNSAFE, "list the columns"),
    "offset-paging": Rule(CARE, "page by position: (created_at, id) < ($1, $2)"),
    "allow": Rule(CARE, "", True),
}
