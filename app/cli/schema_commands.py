"""Schema commands: `images schema status`, `check`, `review`, `accept` and `dump`. They print what app/ finds out."""

import json
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

import psycopg
from yoyo.connections import get_backend

from app.cli.failures import failure
from app.cli.output import open_output, print_verdicts
from app.embedded_postgres import connectable
from app.errors import CommandError, ExitCode
from app.migrations.dump import dump
from app.migrations.status import as_json, as_text, read_status
from app.settings import read_settings
from app.text import one_line


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
    from app.lint import check  # with pglast, which takes 50 ms

    chosen = {path.resolve() for path in files}
    if missing := sorted(path for path in chosen if not path.exists()):
        raise CommandError(f"there is no file {missing[0]}.")
    found = [each for each in check.findings() if not chosen or each.path.resolve() in chosen]
    if format == "json":
        objects = [asdict(each) | {"path": each.place, "link": each.link} for each in found]
        print(json.dumps({"findings": objects}, indent=2))
    elif found:
        print_verdicts("\n".join(map(str, found)))
    else:
        print("no findings")
    return ExitCode.ACTION_NEEDED if found else ExitCode.DONE


def show_review(names: Sequence[str], rows: int, format: str) -> int:
    """Review the named migrations, or the pending ones. Return ACTION_NEEDED if one is unsafe."""
    try:
        from app.cli.review_migrations import review  # needs the libraries of development
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise CommandError(f"{package} is not installed.", "make .venv/development") from error
    return review(names, rows, format)


def accept_migrations(names: Sequence[str]) -> None:
    """Accept the edited files of the named migrations. Without a name, accept every edited file."""
    with get_backend("settings:") as backend, backend.lock():
        backend.accept(names)


def dump_schema(output: Path | None) -> None:
    """Write the live schema of the migrator's database to a file, or to stdout."""
    settings = read_settings()
    with open_output(output) as write:
        try:
            text = dump(connectable(settings.migrator_url))
        except subprocess.CalledProcessError as error:
            raise CommandError(f"pg_dump failed: {one_line(error.stderr)}.") from error
        except psycopg.Error as error:
            raise failure(error, settings, as_owner=True) from error
        write(text.encode())
