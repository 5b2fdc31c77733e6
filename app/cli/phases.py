"""Phase commands: `images schema backfill ...` and `images schema contract`. They print what app/migrations does."""

import json
from datetime import UTC, datetime

from yoyo import read_migrations
from yoyo.connections import get_backend

from app.cli.output import print_verdicts
from app.errors import ExitCode
from app.migrations import backfill_control
from app.migrations.apply_phase import apply_phase, reject_older_sessions
from app.migrations.output import Output
from app.project import current
from app.schema.phases import Phase
from app.settings import read_settings

DONE = {"paused": "paused", "running": "resumed", "cancelled": "cancelled"}


def show_backfills(format: str) -> ExitCode:
    """Print how far each backfill is. Return ACTION_NEEDED if one is not done."""
    found = backfill_control.read(read_settings())
    if format == "json":
        print(json.dumps({"backfills": [each.as_dict() for each in found]}, indent=2, default=_rfc3339))
    else:
        print_verdicts("\n".join(map(str, found)) or "no backfills")
    return ExitCode.DONE if all(each.state == "done" for each in found) else ExitCode.ACTION_NEEDED


def change_backfill(name: str, state: str) -> None:
    """Pause, resume or cancel a backfill, and say so."""
    settings = read_settings()
    id = backfill_control.change(settings, name, state)
    Output(settings.migration_output).report(f"{DONE[state]} {id}")


def run_phase(phase: Phase, despite: str | None = None) -> ExitCode:
    """Apply the migrations of a phase. Return ACTION_NEEDED if some of them still wait."""
    with get_backend("settings:") as backend, backend.lock():
        if phase == "contract":
            for sessions in reject_older_sessions(backend.connection, backend.settings, despite):
                backend.report(f"despite {sessions}: {despite}")
                backend.reason = despite
        is_done = apply_phase(backend, read_migrations(str(current().migrations)), phase)
    return ExitCode.DONE if is_done else ExitCode.ACTION_NEEDED


def _rfc3339(value: object) -> str:
    assert isinstance(value, datetime)
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
