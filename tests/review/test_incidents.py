"""Ten kinds of public incidents: a migration that causes each is found by the static check or by the review."""

from pathlib import Path

from tests.support.reviews import Try, reasons
from tests.support.verdicts import Verdict, judge

ALTER = "ALTER TABLE images ADD COLUMN note text;"
PARTITIONED = """
CREATE TABLE logs (at date) PARTITION BY RANGE (at);
CREATE TABLE logs_old PARTITION OF logs FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
"""
ENUM = "CREATE TYPE mood AS ENUM ('good');"
UNIQUE = "CREATE UNIQUE INDEX CONCURRENTLY images_width_key ON images (width);"
# By incident: the earlier migrations, the migration that causes it, and the rule that finds it.
INCIDENTS = {
    "lock queue": ("", f"SET LOCAL lock_timeout = '10min';\n{ALTER}", "lock-timeout-off"),
    "lock order": ("", f"ALTER TABLE image_terms ADD COLUMN note text;\n{ALTER}", "lock-order"),
    "FORCE ROW LEVEL SECURITY": ("", "ALTER TABLE images FORCE ROW LEVEL SECURITY;", "row-security"),
    "dropped trigger": ("", "DROP TRIGGER images_list_inserted ON images;", "trigger-off"),
    "enum value": (
        ENUM,
        "ALTER TYPE mood ADD VALUE 'bad' AFTER 'good';\nCREATE TABLE moods (mood mood NOT NULL DEFAULT 'bad');",
        "enum-value",
    ),
    "int4 overflow": (
        "",
        "CREATE TABLE views (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY);",
        "prefer-bigint-over-int",
    ),
    "DETACH": (PARTITIONED, "ALTER TABLE logs DETACH PARTITION logs_old;", "partition-locks"),
    "volatile default": ("", "ALTER TABLE images ADD COLUMN key uuid DEFAULT gen_random_uuid();", "default-rewrite"),
    "SET NOT NULL": ("", "ALTER TABLE images ALTER COLUMN title SET NOT NULL;", "not-null-scan"),
}


def test_the_static_check_finds_the_migration_of_an_incident(tmp_path: Path) -> None:
    cases = [Verdict("unsafe", "an incident", name, sql, before) for name, (before, sql, _) in INCIDENTS.items()]

    found = {str(case): {rule for _, rule, _ in each} for case, each in zip(cases, judge(cases, tmp_path), strict=True)}

    assert {name: found[name] for name, (_, _, rule) in INCIDENTS.items() if rule not in found[name]} == {}


def test_the_review_finds_the_unique_index_that_cannot_be_built(tried: Try) -> None:
    """The static check cannot know that rows are equal. The migrator would leave an INVALID index, and remove it."""
    part = tried(UNIQUE)

    assert part.apply.level == "unsafe"
    assert 'could not create unique index "images_width_key"' in reasons(part)
