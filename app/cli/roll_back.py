"""Rollback command: `images schema rollback --to`, from the plan and the question to the rollback."""

import sys
from pathlib import Path

from yoyo import read_migrations
from yoyo.connections import get_backend
from yoyo.migrations import MigrationList

from app.cli.output import note, print_verdicts
from app.errors import CommandError, ExitCode
from app.migrations import releases, tags
from app.migrations.connection import connect
from app.migrations.output import Output
from app.plan.model import PlannedMigration
from app.plan.plan import make_plan
from app.plan.render import as_text
from app.project import current
from app.schema.history import shipped
from app.settings import read_settings
from app.text import count


def roll_back(name: str, folder: Path | None = None, *, is_confirmed: bool) -> ExitCode:
    """Show the plan of a rollback to a release, ask, and run it. Return ACTION_NEEDED if it did not run."""
    folder = folder or current().migrations
    settings = read_settings()
    with connect(settings) as connection:
        release = releases.find(name, tags.read(connection), folder)
    files = shipped(folder)
    plan = make_plan(settings, "rollback", lambda entries: release.above(entries, files), folder)
    output = Output(settings.migration_output)
    if output.format == "json":
        output.report(as_text(plan), "plan" if plan.migrations else "nothing")
        for problem in plan.problems:
            output.error(CommandError(problem), ExitCode.ACTION_NEEDED)
    else:
        print_verdicts(as_text(plan))
    if plan.problems:
        return ExitCode.ACTION_NEEDED
    if not plan.migrations:
        return ExitCode.DONE
    if not is_confirmed and not _confirm(plan.migrations, name):
        note("nothing was rolled back")
        return ExitCode.ACTION_NEEDED
    with get_backend("settings:") as backend, backend.lock():
        known = {migration.id: migration for migration in read_migrations(str(folder))}
        backend.rollback_migrations(MigrationList([known[each.id] for each in plan.migrations]))
    return ExitCode.DONE


def _confirm(migrations: list[PlannedMigration], name: str) -> bool:
    if not sys.stdin.isatty():
        raise CommandError(
            "nothing was rolled back: stdin is not a terminal, so the command cannot ask.",
            "read the plan, and give --yes",
            ExitCode.ACTION_NEEDED,
        )
    question = f"Roll back {count(len(migrations), 'migration')} to {name}? [y/N]"
    print(question, end=" ", file=sys.stderr, flush=True)  # stdout may be for events
    try:
        answer = input()
    except EOFError:  # Ctrl+D
        answer = ""
        note("")
    return answer.strip().lower() in {"y", "yes"}
