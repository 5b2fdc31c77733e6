"""The `yoyo` command: yoyo's own main(), and a message for each error that yoyo shows as a traceback.

`yoyo new` makes the files of this project, and not those of yoyo.
"""

import configparser
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from yoyo import connections
from yoyo.connections import BadConnectionURI
from yoyo.migrations import MigrationList
from yoyo.scripts import main as yoyo
from yoyo.scripts import migrate
from yoyo.scripts.newmigration import new_migration

from app.errors import ExitCode, UsageError
from app.migrations.backend import SettingsBackend
from app.migrations.new_migration import EXAMPLE, create
from app.migrations.order import find_id
from app.migrations.output import Output, requested
from app.migrations.yoyo_errors import ending_with_errors
from app.migrations.yoyo_options import Parsed, parsed
from app.project import INI, choose_as_yoyo, current
from app.streams import guard_streams
from app.text import one_line

BACKEND = "settings:"  # the URLs of this project's backend, as in yoyo.ini
select = migrate.migrations_to_revision
find_backend = connections.get_backend_class


def main() -> int:
    """Run the command of sys.argv and return its exit code."""
    guard_streams()
    with ending_with_errors():
        try:
            given = _given()
            if getattr(given, "func", None) is new_migration and (given.database or "").startswith(BACKEND):
                _new(given)
                return 0
            migrate.migrations_to_revision = _select
            yoyo.parse_args = _parse
            connections.get_backend_class = _find_backend
            return int(yoyo.main() or 0)
        except configparser.Error as error:
            raise UsageError(f"{INI} cannot be read: {one_line(str(error))}.") from error
        except BadConnectionURI as error:
            raise UsageError(f"--database: {error}.", "remove the option: the settings have the URL") from error
        except ModuleNotFoundError as error:
            if (_given().database or BACKEND).startswith(BACKEND):
                raise
            hint = "write postgresql+psycopg://..., or remove the option: the settings have the URL"
            raise UsageError(f"--database: the driver {error.name} is not installed.", hint) from error
        except EOFError as error:
            raise UsageError(
                "yoyo asks for a password, and there is no terminal.", "remove -p: the settings have it"
            ) from error


def _given() -> Namespace:
    """Return the arguments. If they are wrong, yoyo prints the fault, and ends with 2. So it does without a command."""
    try:
        _, parser, given = parsed(tuple(sys.argv[1:]))
        if getattr(given, "func", None) is None:
            parser.error("a command is missing")
    except SystemExit as error:
        if error.code == ExitCode.USAGE:
            told = UsageError("yoyo does not know these arguments.", "see stderr, or yoyo --help")
            Output(requested()).error(told, told.exit_code)
        raise
    return given


def _parse(_: object = None) -> Parsed:
    """Return what yoyo's main() reads. It may change the arguments, so it gets a copy."""
    config, parser, given = parsed(tuple(sys.argv[1:]))
    return config, parser, Namespace(**vars(given))


def _find_backend(scheme: str) -> type[Any]:
    """Return the backend of a URL. yoyo would search the entry points of each installed package."""
    return SettingsBackend if scheme == BACKEND.removesuffix(":") else find_backend(scheme)


def _select(migrations: MigrationList, revision: str | None, direction: str) -> MigrationList:
    """Return what yoyo selects for -r. It may be a number, as in all other commands. Raises UsageError."""
    id = find_id(revision, [migration.id for migration in migrations]) if revision else revision
    return select(migrations, id, direction)


def _new(given: Namespace) -> None:
    """Create the files of `yoyo new` and print their names. Raises UsageError."""
    if not given.sql:
        raise UsageError("migrations are plain SQL.", f"add --sql, or use: {EXAMPLE}")
    choose_as_yoyo()
    os.chdir(current().folder)
    path = create(given.message, Path(given.sources[0]))
    print(path)
    print(path.with_suffix(".rollback.sql"))
