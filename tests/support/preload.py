"""Preload for tests/support/forked.py: import what the commands need, and read their files, once."""

import functools

import sqlparse
import yoyo.scripts.init
import yoyo.scripts.main
import yoyo.scripts.migrate
import yoyo.scripts.newmigration  # noqa: F401

import app.cli.check_objects
import app.cli.export_images
import app.cli.import_files
import app.cli.keep_objects
import app.cli.main
import app.cli.manage_tokens
import app.cli.schema_commands
import app.cli.wait  # noqa: F401
from app.migrations.validation import faults
from app.schema.history import MIGRATIONS

cut = functools.cache(sqlparse.split)


def split(sql: str) -> list[str]:
    return [*cut(sql)]


sqlparse.split = split  # type: ignore[assignment]  # half of a command's time, otherwise
faults(MIGRATIONS)
