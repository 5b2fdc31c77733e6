"""Preload for tests/support/forked.py: import what the commands need, and read their files, once."""

import functools

import sqlparse
import yoyo.backends.base
import yoyo.scripts.init
import yoyo.scripts.main
import yoyo.scripts.migrate
import yoyo.scripts.newmigration
from pglast import parser

import app.cli.check_objects
import app.cli.export_images
import app.cli.import_files
import app.cli.keep_objects
import app.cli.main
import app.cli.manage_tokens
import app.cli.schema_commands
import app.cli.wait
import app.migrations.backend  # noqa: F401
from app.migrations import migration_file, splitting
from app.migrations.validation import faults
from app.project import current
from app.schema import statements
from app.schema.history import shipped

cut = functools.cache(sqlparse.split)


def split(sql: str) -> list[str]:
    return [*cut(sql)]


# Two thirds of a command's time, otherwise.
sqlparse.split = split  # type: ignore[assignment]
read = functools.cache(statements.split_statements)
for module in (statements, migration_file, splitting):
    module.split_statements = read  # type: ignore[attr-defined]
parser.scan = functools.cache(parser.scan)
yoyo.backends.base.entry_points = functools.cache(yoyo.backends.base.entry_points)
yoyo.backends.base.get_backend_class("settings")
faults(current().migrations)
shipped()
