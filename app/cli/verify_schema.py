"""Verify command: `images schema verify`, which compares derived tables with their source, and repairs them."""

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing

import psycopg

from app.cli.output import color_verdicts, note, shows_colors
from app.errors import CommandError, ExitCode
from app.migrations.connection import connect, explain, reject_pooler, sentence
from app.migrations.output import Output
from app.migrations.search_path import reject_other_schema
from app.migrations.session import Session
from app.migrations.verification import FOLDER, LOCK_WAIT, Check, prepare, verify
from app.migrations.watch import Watch
from app.program import SCHEMA
from app.progress import Progress
from app.project import current
from app.settings import read_settings
from app.text import count

LACKING = ("42P01", "42883", "42703")  # a table, a function or a column does not exist


class Waits(Output):
    """Output that has only the waits for a lock, as lines on stderr."""

    is_metered = True  # the bar of the command shows the progress

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def report(self, text: str, event: str = "note", **fields: object) -> None:
        """Print a line beside the bar of the command."""
        self._progress.message(text)


def verify_schema(format: str, *, repairs: bool) -> ExitCode:
    """Run the checks of the project and print their results. Return ACTION_NEEDED if faults are left.

    Raises CommandError if a check cannot be run.
    """
    settings = read_settings()
    done: list[Check] = []
    told = explain
    try:
        with closing(connect(settings)) as connection, ExitStack() as stack:
            reject_pooler(connection)
            reject_other_schema(connection)  # before the session has only one schema
            Session(connection, settings.migration_role, LOCK_WAIT)
            checks = prepare(connection)
            total = sum(check.plan.rows_expected for check in checks)
            with Progress("rows", total, is_scaled=True) as progress:
                watch = stack.enter_context(Watch(settings, connection.info.backend_pid, Waits(progress), LOCK_WAIT))
                told = watch.explain
                for check in checks:
                    with watch.reporting(check.name):
                        verify(connection, check, [each.name for each in checks], progress.advance, repairs=repairs)
                    done.append(check)
                    if format == "text":
                        progress.message(_line(check), sys.stdout)
    except psycopg.Error as error:
        if error.sqlstate in LACKING:
            raise CommandError("the database lacks migrations of this release.", "apply them: yoyo apply") from error
        message, hint = told(error)
        raise CommandError(sentence(f"the rows cannot be verified: {message}"), hint) from error
    return _end(done, format, repairs=repairs)


def _line(check: Check) -> str:
    rows = f"{count(check.rows, 'row')} of {check.plan.table}"
    if not check.faults:
        return f"{check.name}: no faults in {rows}"
    repaired = f", {check.repaired:,} repaired" if check.repaired else ""
    line = f"wrong: {check.name}: {count(check.faults, 'fault')} in {rows}, such as {check.example}{repaired}"
    return color_verdicts(line) if shows_colors(sys.stdout) else line


def _end(checks: Sequence[Check], format: str, *, repairs: bool) -> ExitCode:
    if format == "json":
        print(json.dumps({"checks": [_plain(check) for check in checks]}, indent=2))
    elif not checks:
        print(f"nothing to verify: {current().shown(current().sql / FOLDER)} has no checks")
    if not any(check.left for check in checks):
        return ExitCode.DONE
    if repairs:
        note("hint: rows in use were not repaired. Run the command again")
    else:
        note(f"hint: repair them: {SCHEMA} verify --repair")
    return ExitCode.ACTION_NEEDED


def _plain(check: Check) -> dict[str, object]:
    return {
        "name": check.name,
        "purpose": check.purpose,
        "table": check.plan.table,
        "rows": check.rows,
        "faults": check.faults,
        "repaired": check.repaired,
        "example": check.example,
        "seconds": round(check.seconds, 3),
    }
