"""app.cli.schema: to be described."""

import os
import subprocess
import sys

import psycopg

from app.embedded_postgres import connectable
from app.errors import fail
from app.migrations.dump import dump
from app.migrations.status import WRONG, as_json, as_text, read_status
from app.settings import read_settings
from app.text import one_line


def show_status(format: str) -> int:
    """Print the status. Returns 0: up to date, 1: migrations are to be applied, 2: wrong, or not to be read at all."""
    try:
        status = read_status(read_settings())
    except SystemExit:
        return WRONG
    try:
        print(as_json(status) if format == "json" else as_text(status), flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would try once more at its end
        print(f"images schema status: the output cannot be written: {error.strerror}", file=sys.stderr)
        return WRONG
    return status.exit_status


def check_files(format: str) -> int:
    """Print what is unsafe in sql/. Returns 0: nothing, 1: something, 2: it could not be looked at."""
    from app.lint import check  # with pglast, which no other command needs so early

    return check.main(format)


def dump_schema() -> None:
    """Print the schema of the migrator's database."""
    try:
        print(dump(connectable(read_settings().migrator_url)), end="")
    except subprocess.CalledProcessError as error:
        fail(f"images schema dump: {one_line(error.stderr)}")
    except psycopg.Error as error:
        fail(f"images schema dump: {one_line(str(error))}")


def show_review(names: list[str], rows: int, format: str) -> int:
    """Review the named migrations, or the pending ones. Returns 0: safe, or with care; 1: not safe; 2: not reviewed."""
    try:
        from app.cli.review import review  # the libraries that it needs are for development
    except ModuleNotFoundError as error:
        print(f"images schema review: {error.name} is not installed: make .venv/development", file=sys.stderr)
        return WRONG
    try:
        return review(names, rows, format)
    except SystemExit:
        return WRONG
