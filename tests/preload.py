"""What the process that tests/forked.py forks has done once: import what the commands need, and read their files."""

import functools

import sqlparse
import yoyo.scripts.init
import yoyo.scripts.main
import yoyo.scripts.migrate
import yoyo.scripts.newmigration  # noqa: F401

import app.commands
import app.folders
import app.keyring
import app.migrations.backend
import app.objects  # noqa: F401
from app.history import MIGRATIONS
from app.migrations.files import faults

cut = functools.cache(sqlparse.split)


def split(sql: str) -> list[str]:
    return [*cut(sql)]


sqlparse.split = split  # type: ignore[assignment]  # half of a command's time, otherwise
faults(MIGRATIONS)
