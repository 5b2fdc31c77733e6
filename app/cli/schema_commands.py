"""Schema commands: `images schema status`, `check`, `review`, `accept` and `dump`. They print what app/ finds out."""

import json
import subprocess
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from os.path import realpath  # unlike Path.resolve, it accepts a link to itself
from pathlib import Path

import psycopg
from yoyo.connections import get_backend

from app.cli.output import note, open_output, print_verdicts
from app.embedded_postgres import owner_url
from app.errors import CommandError, ExitCode, UsageError
from app.migrations.dump import dump, missing_roles
from app.migrations.status import as_json, as_text, read_status
from app.project import current
from app.settings import read_settings
from app.text import one_line, printable


def show_status(format: str) -> ExitCode:
    """Print the status of each migration. Return DONE if all is up to date, otherwise ACTION_NEEDED."""
    status = read_status(read_settings())
    if format == "json":
        print(as_json(status))
    else:
        print_verdicts(as_text(status))
    return status.exit_code


def check_files(files: Collection[Path], format: str) -> ExitCode:
    """Print what is unsafe in sql/, or only in these files. Return ACTION_NEEDED if there are findings."""
    with development_packages():
        from app.lint import check  # with pglast, which takes 50 ms
        from app.lint.sarif import sarif

    chosen = {Path(realpath(path)): path for path in files}
    if missing := [named for path, named in chosen.items() if not path.exists()]:
        raise UsageError(f"there is no file {printable(str(missing[0]))}.")
    found = [each for each in check.findings() if not chosen or Path(realpath(each.path)) in chosen]
    checked = {Path(realpath(each.path)) for each in found}  # a misnamed file has a finding, too
    if unread := [named for path, named in chosen.items() if path not in checked and not check.reads(path)]:
        folders = ", ".join(str(current().shown(folder)) for folder in check.folders())
        raise UsageError(f"{printable(str(unread[0]))} is not a .sql file of {folders}.")
    if format == "json":
        objects = [asdict(each) | {"path": each.place, "link": each.link} for each in found]
        print(json.dumps({"findings": objects}, indent=2))
    elif format == "sarif":
        print(json.dumps(sarif(found), indent=2))
    elif found:
        print_verdicts("\n".join(map(str, found)))
    else:
        print("no findings")
    return ExitCode.ACTION_NEEDED if found else ExitCode.DONE


@contextmanager
def development_packages() -> Iterator[None]:
    """Raise CommandError with a hint if the block imports a package that is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise CommandError(f"{package} is not installed.", "make .venv/development") from error


def show_plan(rollback: str | None, format: str) -> int:
    """Print the plan of `yoyo apply`, or of a rollback. Return ACTION_NEEDED if there is something to do."""
    with development_packages():
        from app.cli import plan_migrations

    return plan_migrations.show_plan(rollback, format)


def show_review(names: Sequence[str], rows: int, format: str, *, save: bool = False, with_older: bool = True) -> int:
    """Review the named migrations, or the pending ones. Return ACTION_NEEDED if one is unsafe."""
    with development_packages():
        from app.cli.review_migrations import review

    return review(names, rows, format, save=save, with_older=with_older)


def roll_back(name: str, *, is_confirmed: bool) -> int:
    """Roll back to a release. Return ACTION_NEEDED if nothing was rolled back."""
    with development_packages():
        from app.cli import roll_back

    return roll_back.roll_back(name, is_confirmed=is_confirmed)


def accept_migrations(names: Sequence[str]) -> None:
    """Accept the edited files of the named migrations. Without a name, accept every edited file."""
    with get_backend("settings:") as backend, backend.lock():
        backend.accept(names)


def dump_schema(output: Path | None) -> None:
    """Write the live schema of the migrator's database to a file, or to stdout."""
    settings = read_settings()
    with open_output(output) as write:
        try:
            missing = missing_roles(owner_url(settings))
            text = dump(owner_url(settings))
        except subprocess.CalledProcessError as error:
            raise CommandError(f"pg_dump failed: {one_line(error.stderr)}.") from error
        except psycopg.Error as error:
            from app.cli.failures import failure  # here, because it imports the drivers of the service

            raise failure(error, settings, as_owner=True) from error
        write(text.encode())
    if missing:
        note(f"warning: the schema has no rights of {', '.join(missing)}, because this server has no such role")
