"""Measured times: sql/review/measured.json, which has the duration of each statement as a review measured it.

`schema review --save` writes it, and `schema plan` reads it. A migration or rollback whose statements
have changed since then counts as not measured.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import CommandError
from app.lint.alter_table import MODES
from app.program import SCHEMA
from app.project import current
from app.review.measure import MeasuredRun
from app.review.review import Reviewed
from app.schema.digest import digest
from app.schema.files import read_own

FILE = "review/measured.json"  # in sql/


@dataclass(frozen=True)
class MeasuredStatement:
    """One statement of a file: its duration, and the strongest lock that it took on each existing table.

    The duration of a backfill is that of all its batches, without the migrator's pauses.
    """

    milliseconds: float
    locks: dict[str, str]


@dataclass(frozen=True)
class MeasuredFile:
    """One migration or rollback: the rows of each table before it, its statements in order, and the machine's speed."""

    rows: dict[str, int]
    statements: list[MeasuredStatement]
    speed: float | None = None  # seconds of measure_speed.sql then. None: an earlier release did not measure it


def load(sql: Path) -> dict[str, MeasuredFile]:
    """Return the measured files of a folder like sql/, by digest. Without measurements, return nothing."""
    return {name: _typed(file) for name, file in _stored(sql).items()}


def save(sql: Path, reviewed: Iterable[Reviewed], server: str) -> Path:
    """Write what a review measured, and keep the other files that sql/ still has. Return the path.

    The time of a backfill or of a loop that found nothing to write is not kept.
    """
    path = sql / FILE
    present = {digest(file.read_bytes()).current for file in (sql / "migrations").glob("*.sql")}
    files = {name: file for name, file in _stored(sql).items() if name in present}
    for one in reviewed:
        for file, run in ((one.path, one.up), (one.path.with_suffix(".rollback.sql"), one.down)):
            if run and not run.error and not run.found_nothing:
                files[digest(file.read_bytes()).current] = {"file": file.name} | _plain(one.rows, run)
    ordered = dict(sorted(files.items(), key=lambda item: str(item[1]["file"])))
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(file)}" for name, file in ordered.items())
    path.write_text(f'{{"server": {json.dumps(server)}, "files": {{\n{lines}\n}}}}\n', encoding="utf-8")
    return path


def _stored(sql: Path) -> dict[str, dict[str, Any]]:
    path = sql / FILE
    if not path.exists():
        return {}
    try:
        files: dict[str, dict[str, Any]] = json.loads(read_own(path))["files"]
        for file in files.values():
            _typed(file)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        shown = current().shown(path)
        raise CommandError(f"{shown} is not a file of `{SCHEMA} review --save`.", "restore it, or delete it") from error
    return files


def _typed(file: dict[str, Any]) -> MeasuredFile:
    statements = [MeasuredStatement(ms, {**locks}) for ms, locks in file["statements"]]
    return MeasuredFile({**file["rows"]}, statements, file.get("speed"))


def _plain(rows: dict[str, int], run: MeasuredRun) -> dict[str, Any]:
    statements = []
    for step in run.steps:
        strongest: dict[str, str] = {}
        for lock in sorted(step.locks, key=lambda lock: MODES.index(lock.mode)):
            if lock.relation == lock.table:
                strongest[lock.relation] = lock.mode
        statements.append([round(step.whole_milliseconds or step.milliseconds, 1), strongest])
    tables = {name: count for name, count in rows.items() if "yoyo" not in name}
    return {"rows": tables, "speed": run.speed and round(run.speed, 5), "statements": statements}
