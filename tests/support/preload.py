"""Preload for tests/support/forked.py: import what the commands need, and read their files, once."""

import functools
import gc
import os
from collections.abc import Callable
from pathlib import Path

import sqlparse
import yoyo.backends.base
import yoyo.migrations
import yoyo.scripts.init
import yoyo.scripts.main
import yoyo.scripts.migrate
import yoyo.scripts.newmigration
from pglast import parser
from uvicorn.main import main as uvicorn_main

import app.cli.check_objects
import app.cli.export_images
import app.cli.import_files
import app.cli.keep_objects
import app.cli.main
import app.cli.manage_tokens
import app.cli.schema_commands
import app.cli.wait
import app.entry
import app.main
import app.migrations.backend
import app.web.server.protocol
from app.migrations import migration_file, splitting
from app.project import current
from app.schema import history, statements
from app.schema.digest import digest
from app.settings import ROOT
from tests.support import kept_decoders, known_faults  # noqa: F401

cut = functools.cache(sqlparse.split)


def split(sql: str) -> list[str]:
    return [*cut(sql)]


# Two thirds of a command's time, otherwise.
sqlparse.split = split  # type: ignore[assignment]
read = functools.cache(statements.split_statements)
for module in (statements, migration_file, splitting):
    module.split_statements = read  # type: ignore[attr-defined]
parser.scan = functools.cache(parser.scan)
described = functools.cache(yoyo.migrations.parse_metadata_from_sql_comments)


def describe(text: str) -> tuple[dict[str, str], str, str]:
    directives, comment, rest = described(text)
    return {**directives}, comment, rest


yoyo.migrations.parse_metadata_from_sql_comments = describe
yoyo.backends.base.entry_points = functools.cache(yoyo.backends.base.entry_points)
yoyo.backends.base.get_backend_class("settings")
history.digest = functools.cache(digest)  # type: ignore[attr-defined]
known_faults.install()
os.chdir(ROOT)
for folder in (current().migrations, Path("sql/migrations")):  # of the `images` command, and of yoyo.ini
    known_faults.known_faults(folder)
history.shipped()
COMMANDS: dict[str, Callable[[], object]] = {
    "images": app.entry.images,
    "yoyo": app.entry.yoyo,
    "uvicorn": uvicorn_main,
}
gc.freeze()  # a collection in a command would copy the memory of all that is here
