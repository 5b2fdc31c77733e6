"""app/lint/alter_table.json compared with the server, with the rules, and with the plan."""

import json

import psycopg
import pytest
from pglast.enums import AlterTableType

from app.lint import parser
from app.lint.alter_table import FILE, _measured, effects
from app.lint.catalog import Catalog
from app.lint.server_rules import server_faults
from app.lint.state import MigrationState
from app.plan.effects import effects_of
from tests.conftest import VERSION
from tests.support.alter_table import FORMS, PAGE, SCHEMA, measured, page, prepare
from tests.support.functions import VERSIONS

# Subcommands that PostgreSQL makes of others.
INTERNAL = {
    *("AddColumnToView", "CookedColumnDefault", "AddIndex", "ReAddIndex", "ReAddConstraint", "ReAddDomainConstraint"),
    *("AddIndexConstraint", "ReAddComment", "ReplaceRelOptions", "ReAddStatistics"),
}


def test_the_server_does_what_the_file_says(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        prepare(connection)
        found = {form: measured(connection, form) for form in FORMS}

    assert {form: by_version[VERSION] for form, by_version in effects().items()} == found


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.support.alter_table`"


def test_each_subcommand_has_a_form() -> None:
    measured_ones = {f"AT_{name}" for name in INTERNAL} | {kind.name for kind, _ in _measured()}

    assert set(json.loads(FILE.read_text())) == set(FORMS)
    assert measured_ones == set(AlterTableType.__members__)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_plan_and_the_rules_find_what_each_form_does(version: int) -> None:
    before = Catalog()
    for statement in parser.statements(SCHEMA):
        before.apply(statement.node, "0001_before.sql")
    wrong = []
    for form, by_version in effects().items():
        state = MigrationState("0002_form.sql", before.copy(), [])
        [statement] = parser.statements(form)
        found = effects_of(state, statement, version)
        work = {each.table: f", {each.kind}" for each in found.work}
        planned = {table: f"{lock}{work.get(table, '')}" for table, lock in found.locks.items()}
        if "error" in by_version[version]:
            assert [fault.rule for fault in server_faults(statement)] == ["newer-server"], form
        elif planned != by_version[version]:
            wrong.append(f"{form}: planned {planned}, and PostgreSQL {by_version[version]}")

    assert not wrong, "\n".join(wrong)
