"""Options of the yoyo command (-1, -a, -f, -n, -p, -r, --migration-table): reject those that do not do what they say.

docs/reference/yoyo-options.md has a table of all of them. yoyo reads the command line itself, and gives the
backend only a part of it.
"""

import argparse
import configparser
import re
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path

from yoyo import default_migration_table
from yoyo.scripts.main import parse_args

from app.errors import CommandError, ExitCode, UsageError
from app.migrations.order import reject_faults
from app.migrations.output import Output
from app.migrations.validation import programs
from app.project import INI, current
from app.streams import only_events
from app.text import one_line, printable

PROGRAMS = {"yoyo", "yoyo-migrate"}


Parsed = tuple[configparser.ConfigParser, argparse.ArgumentParser, argparse.Namespace]


@cache
def parsed(arguments: tuple[str, ...]) -> Parsed:
    """Return what yoyo reads from its arguments and from yoyo.ini. Its parser takes 2 ms, and four callers need it."""
    try:
        found: Parsed = parse_args(list(arguments))
    except ValueError as error:  # of yoyo's own: a byte that is not UTF-8, or `verbosity = x`
        raise UsageError(f"{INI} cannot be read: {one_line(str(error))}.", "correct the file") from error
    return found


def command_line() -> argparse.Namespace:
    """Return the arguments of the yoyo command. Another program has none."""
    if Path(sys.argv[0]).name not in PROGRAMS:
        return argparse.Namespace()
    return parsed(tuple(sys.argv[1:]))[2]


def only_events_of(output: Output) -> AbstractContextManager[None]:
    """Return a context in which the text that yoyo prints goes to stderr, if stdout is for events. Its list stays."""
    is_list = vars(command_line()).get("command_name") == "list"
    return nullcontext() if output.format == "text" or is_list else only_events()


def reject_options() -> None:
    """Raise UsageError if the yoyo command has an option that yoyo ignores, or that would do harm.

    Raise CommandError if a folder that it names contains Python.
    """
    given = vars(command_line())
    command = given.get("command_name")
    for option, value in (("-r", given.get("revision")), ("-m", given.get("match")), ("-1", given.get("one"))):
        if value is not None and not value.strip():  # yoyo would act on the last migration, or on all
            raise UsageError(f"{option} must not be empty.", "name a migration: yoyo list shows all")
    table = given.get("migration_table", default_migration_table)
    if table != default_migration_table:
        raise UsageError(
            f"--migration-table {table} is not supported, because the ledger and the service read "
            f"{default_migration_table}.",
            "remove the option. For a second installation, use another schema or another database",
        )
    if given.get("prompt_password"):
        raise UsageError(
            "-p is not supported, because no URL is on the command line.",
            "write the password into MIGRATION_DATABASE_URL, or into the file that PGPASSFILE names",
        )
    if given.get("one") is not None:
        one = given["one"]
        raise UsageError(
            f"-1 {one} is not supported: yoyo would apply all pending migrations.",
            f"apply one, and those that it needs: yoyo apply -r {one}",
        )
    if command == "list" and given.get("revision"):
        raise UsageError("-r has no effect in `yoyo list`.", f"yoyo list -m {given['revision']}")
    if command in {"apply", "develop"} and given.get("all"):
        raise UsageError(
            f"--all has no effect in `yoyo {command}`, which never repeats a migration.",
            "remove the option: without -m and -r, all pending migrations are selected",
        )
    try:
        re.compile(given.get("match") or "")
    except re.error as error:
        raise UsageError(f"-m takes a regular expression: {error}.") from error
    if command == "develop" and given["n"] < 1:
        raise UsageError(f"-n must be 1 or more, not {given['n']}.", "yoyo develop -n 1")
    if command in {"mark", "unmark"} and given.get("force"):
        raise UsageError(f"--force has no effect in `yoyo {command}`.", "remove the option")
    for folder in given.get("sources") or [current().migrations]:
        if not Path(folder).is_dir():
            raise UsageError(
                f"there is no folder {printable(str(folder))}.",
                f"a name without an option is a folder. For a migration: yoyo {command} -r {printable(str(folder))}"
                if Path(folder).resolve() != current().migrations.resolve()
                else "the files of this release are incomplete: deploy it again",
            )
        reject_faults([str(fault) for fault in programs(Path(folder))])  # yoyo would run Python before any check


def rolls_back_one() -> bool:
    """Return whether the command is `yoyo rollback` without -r and --all, which rolls back the last migration only."""
    given = command_line()
    return getattr(given, "command_name", None) == "rollback" and not given.revision and not given.all


def reject_many(names: Sequence[str], done: str, verb: str) -> None:
    """Raise CommandError if `yoyo unmark` or `yoyo reapply` would act on several migrations without --all.

    `names` begins with the last migration. yoyo also selects those that depend on the one of -r.
    """
    if len(names) > 1 and _lacks_all(verb):
        raise CommandError(
            f"nothing was {done}: this would {verb} {len(names)} migrations, from {names[0]} down to {names[-1]}.",
            f"{verb} the last one: yoyo {verb} -m {names[0]}. To {verb} all of them, add --all",
            ExitCode.ACTION_NEEDED,
        )


def reject_unnamed(names: Sequence[str]) -> None:
    """Raise CommandError if `yoyo mark` would record several migrations, in order, without -m, -r, or --all."""
    given = command_line()
    is_named = getattr(given, "revision", None) or getattr(given, "match", None)
    if len(names) > 1 and not is_named and _lacks_all("mark"):
        raise CommandError(
            f"nothing was marked: this would record {len(names)} migrations as applied, from {names[0]} up to "
            f"{names[-1]}, and run none of them.",
            "record those up to NAME: yoyo mark -r NAME. To record all of them, add --all",
            ExitCode.ACTION_NEEDED,
        )


def _lacks_all(verb: str) -> object:
    """Return whether the yoyo command is this one, without --all, and yoyo has not asked for each migration."""
    given = vars(command_line())
    return given.get("command_name") == verb and not given["all"] and given["batch_mode"]
