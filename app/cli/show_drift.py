"""Drift command: `images schema drift`, as text, JSON, or the statements that bring the live schema back."""

import json
from dataclasses import asdict

from app.cli.output import note, print_exactly, print_verdicts
from app.errors import CommandError, ExitCode
from app.migrations import drift_fix, ledger
from app.migrations.connection import run
from app.migrations.dump import compare
from app.migrations.restored_dump import explain_lost_history
from app.migrations.search_path import reject_other_schema
from app.migrations.watched_reading import watched_reading
from app.project import current
from app.schema import history
from app.schema.drift import IGNORE, THINGS, Drift, read_schema_file, schemas
from app.settings import read_settings

NONE = "none, the schema matches schema.sql"


def show_drift(format: str) -> ExitCode:
    """Print the differences between the live schema and sql/schema.sql. Return ACTION_NEEDED if there are any."""
    found, unread, schema = _read()
    if format == "json":
        print(json.dumps(_plain(found), indent=2))
    elif format == "sql":
        text = read_schema_file().partition(THINGS)[0]
        statements = drift_fix.statements(found.every, text, schema)
        if any("CONCURRENTLY" in statement for statement in statements):
            print("-- CONCURRENTLY cannot run in a transaction: use no BEGIN, and not --single-transaction of psql.")
        for statement in statements:
            print_exactly(statement)
    else:
        for words in found.words:
            print(f"drift: {words}")
        for difference, rule in found.ignored:
            print(f"ignored: {difference} ({rule.reason})")
        if not found.words:
            print_verdicts(f"drift: {NONE}")
    for rule in found.unused:
        note(f"{IGNORE} line {rule.line} ignores nothing: {rule.pattern}")
    for name in unread:
        note(f"not compared: the schema {name}, which {current().schema_file.name} has too")
    return ExitCode.ACTION_NEEDED if found.words else ExitCode.DONE


def _read() -> tuple[Drift, list[str], str]:
    """Return the drift, the schemas of schema.sql that are not compared, and the one that is, quoted as in SQL."""
    with watched_reading(read_settings(), "the schema cannot be read") as connection:
        reject_other_schema(connection)
        run(connection, "prepare_reading")
        records = ledger.read(connection)
        if not history.comparable(history.compare(history.shipped(), records)):
            lost = "" if records else explain_lost_history(connection)
            raise CommandError(
                "the schema cannot be compared, because schema.sql has other migrations than the database.",
                lost or "apply the pending ones, or compare with the release that the database has",
            )
        _, own, _ = run(connection, "find_rights", schema=None).fetchone() or ("", "", True)
        return compare(connection), [name for name in schemas(read_schema_file()) if name != own], own


def _plain(found: Drift) -> dict[str, object]:
    return {
        "drift": [asdict(each) for each in found.differences],
        "ignored": [asdict(each) | {"reason": rule.reason, "line": rule.line} for each, rule in found.ignored],
        "unused": [asdict(rule) for rule in found.unused],
        "wrong": [asdict(rule) for rule in found.wrong],
    }
