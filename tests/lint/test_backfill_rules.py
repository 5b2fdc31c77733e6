"""Rules of `images schema check` about the table and the key of a backfill."""

import pytest

from app.lint import parser
from app.lint.backfill_rules import backfill_faults, table_of
from app.lint.catalog import Catalog
from app.lint.migration_rules import migration_faults
from app.lint.state import MigrationState

TABLES = """CREATE TABLE a (id bigint PRIMARY KEY, at timestamptz NOT NULL, note text);
CREATE INDEX a_at_idx ON a (at, id);
CREATE INDEX a_note_idx ON a (note);
CREATE UNIQUE INDEX a_part_idx ON a (note, at) WHERE note <> '';
CREATE VIEW v AS SELECT id FROM a;
CREATE TABLE b (id bigint);
CREATE TABLE "Odd.Name" (id bigint PRIMARY KEY);
"""
NO_KEY = "so each batch would read the whole table"


@pytest.mark.parametrize(
    ("table", "condition", "why"),
    [
        ("a", "id BETWEEN $1 AND $2", None),
        ("public.a", "a.id BETWEEN $1 AND $2", None),
        ('public."Odd.Name"', "id BETWEEN $1 AND $2", None),
        ("A", "id BETWEEN $1 AND $2", None),
        ("a", "(at, id) BETWEEN ($1, $2) AND ($3, $4)", None),
        ("a", "(id, at) BETWEEN ($1, $2) AND ($3, $4)", f"a has no key (id, at), {NO_KEY}"),
        ("a", "note BETWEEN $1 AND $2", f"a has no key (note), {NO_KEY}"),
        ("a", "(note, at) BETWEEN ($1, $2) AND ($3, $4)", f"a has no key (note, at), {NO_KEY}"),
        ("b", "id BETWEEN $1 AND $2", f"b has no key (id), {NO_KEY}"),
        ("v", "id BETWEEN $1 AND $2", "v is not a table"),
        ("c", "id BETWEEN $1 AND $2", "there is no table c"),
    ],
)
def test_the_table_has_a_key(table: str, condition: str, why: str | None) -> None:
    catalog = Catalog()
    for each in parser.statements(TABLES):
        catalog.apply(each.node, "0001_make.sql")
    state = MigrationState("0002_fill.sql", catalog, [])

    found = list(backfill_faults(state, table, parser.statements(f"DELETE FROM a WHERE {condition};")))  # noqa: S608

    assert [fault.why for fault in found] == ([why] if why else [])


@pytest.mark.parametrize("directive", ['"Odd.Name"', 'public."Odd.Name"'])
def test_a_batch_of_a_table_with_a_quoted_name_is_few_rows(directive: str) -> None:
    catalog = Catalog()
    for each in parser.statements(TABLES):
        catalog.apply(each.node, "0001_make.sql")
    state = MigrationState("0002_fill.sql", catalog, [], backfill=table_of(directive))

    found = migration_faults(state, parser.statements('DELETE FROM "Odd.Name" WHERE id BETWEEN $1 AND $2;'))

    assert list(found) == []
