"""Project: a folder with yoyo.ini, the SQL that it names, and `[tool.schema]` in its pyproject.toml.

The service always works on its own project. The schema commands, psql, and yoyo work on the project of the current
folder, or on the one that --project or SCHEMA_PROJECT names.
"""

import configparser
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import Any

from app.errors import UsageError
from app.program import SCHEMA
from app.text import printable

OWN = Path(__file__).resolve().parent.parent  # the folder of this program, which is a project too
INI = "yoyo.ini"
VARIABLE = "SCHEMA_PROJECT"
LISTS = ("tables", "roles")
NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
HINT = f"go to the folder of a project, or name it: {SCHEMA} --project FOLDER"


@dataclass(frozen=True)
class Project:
    """A folder with migrations. Each field with a default is a key of `[tool.schema]`."""

    folder: Path
    migrations: Path  # the folder that yoyo.ini names
    name: str = "schema"  # its sessions and its scratch databases begin with it
    tables: tuple[str, ...] = ()  # tables that show in which schema the project is, beside yoyo's own
    roles: tuple[str, ...] = ()  # roles that the migrations grant rights to, if they exist
    lock_key: str = "yoyo_lock"  # one migrator at a time holds the advisory lock of this key
    queries: str = ""  # the folder beside the migrations with the statements of the service, "" if there is none

    @property
    def sql(self) -> Path:
        """Return the folder with the migrations, and with all other SQL of the project."""
        return self.migrations.parent

    @property
    def schema_file(self) -> Path:
        """Return the file with the schema that the migrations make."""
        return self.sql / "schema.sql"

    @property
    def is_own(self) -> bool:
        """Return whether this is the project of the program itself."""
        return self.folder == OWN

    def shown(self, path: Path) -> Path:
        """Return a path as people read it: from the project's folder, if it is in there."""
        return path.relative_to(self.folder) if path.is_relative_to(self.folder) else path


_find: Callable[[], Path] | None = None  # None: the program's own project


def current() -> Project:
    """Return the project to work on. Raises UsageError if there is none, or if its files are wrong."""
    return load(_find() if _find else OWN)


def choose(given: Path | None = None) -> None:
    """Let `current` return the project that `find` returns. It is looked for when it is needed."""
    global _find
    _find = cache(partial(find, given))


def choose_nearest() -> None:
    """Let `current` return the project that `find` returns, or the program's own outside of all projects."""
    if os.environ.get(VARIABLE) or _upwards():
        choose()


@contextmanager
def chosen(given: Path | None = None) -> Iterator[None]:
    """Work on the project that `find` returns, until the end of the block."""
    global _find
    before = _find
    choose(given)
    try:
        yield
    finally:
        _find = before


def choose_as_yoyo() -> None:
    """Work on the project whose yoyo.ini yoyo reads, unless a schema command has chosen one.

    Raises UsageError if SCHEMA_PROJECT names another one. Then yoyo would read the migrations of one project, and the
    backend the settings of the other.
    """
    if _find is None:
        choose()
        upwards = _upwards()
        if upwards and upwards != current().folder:
            raise UsageError(
                f"{VARIABLE} is {printable(str(current().folder))}, but yoyo reads {printable(str(upwards / INI))}.",
                f"unset {VARIABLE}: yoyo works on the project of the current folder",
            )


def find(given: Path | None = None) -> Path:
    """Return the folder of the project: the given one, else that of SCHEMA_PROJECT, else from the current folder up.

    Raises UsageError if there is none.
    """
    named = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is None:
        if folder := _upwards():
            return folder
        here = printable(str(Path.cwd()))
        raise UsageError(f"there is no project: {here} and the folders above it have no {INI}.", HINT)
    if not (named / INI).is_file():
        source = "--project" if given else VARIABLE
        raise UsageError(f"{source}: {printable(str(named))} is not a project, because it has no {INI}.", HINT)
    return named.resolve()


def _upwards() -> Path | None:
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / INI).is_file()), None)


@cache
def load(folder: Path) -> Project:
    """Return the project of a folder. Raises UsageError if its files are wrong."""
    return Project(folder, _migrations(folder / INI), **_configuration(folder / "pyproject.toml"))


def _migrations(ini: Path) -> Path:
    """Return the folder of `sources` in yoyo.ini. Raises UsageError unless it is exactly one."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(ini.read_text(encoding="utf-8"))
    except configparser.MissingSectionHeaderError as error:
        raise UsageError(f"{printable(str(ini))} has no section.", "begin the file with the line [DEFAULT]") from error
    except (OSError, UnicodeError, configparser.Error) as error:
        raise UsageError(f"{printable(str(ini))} cannot be read: {_reason(error)}.") from error
    sources = parser.defaults().get("sources", "").replace("%(here)s", str(ini.parent)).split()
    if len(sources) != 1:
        raise UsageError(
            f"{printable(str(ini))}: `sources` must name one folder, not {len(sources)}.",
            "for example: sources = sql/migrations",
        )
    return ini.parent / sources[0]


def _configuration(path: Path) -> dict[str, Any]:
    """Return the keys of `[tool.schema]`. Without the file or the table, all have their defaults."""
    try:
        tools = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
        table = tools.get("schema", {}) if isinstance(tools, dict) else tools
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{printable(str(path))} cannot be read: {_reason(error)}.") from error
    if not isinstance(table, dict):
        raise UsageError(f"{printable(str(path))}: [tool.schema] must be a table.", "begin a line with [tool.schema]")
    keys = [key for key in Project.__dataclass_fields__ if key not in ("folder", "migrations")]
    for key, value in table.items():
        where = f"{printable(str(path))}: [tool.schema] {printable(key)}"
        if key not in keys:
            near = get_close_matches(key, keys, 1)
            raise UsageError(f"{where} is unknown.", f"did you mean {near[0]}?" if near else f"keys: {', '.join(keys)}")
        if key in LISTS:
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                raise UsageError(f"{where} must be a list of names.", f'for example: {key} = ["orders"]')
        elif not isinstance(value, str):
            raise UsageError(f"{where} must be a text in quotes.")
    if not NAME.fullmatch(table.get("name", Project.name)):
        raise UsageError(
            f"{printable(str(path))}: [tool.schema] name must be lower-case letters, digits and _, and begin with a "
            "letter.",
            'for example: name = "shop"',
        )
    return {key: tuple(value) if key in LISTS else value for key, value in table.items()}


def _reason(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return printable(" ".join(str(reason).split())).rstrip(".")
