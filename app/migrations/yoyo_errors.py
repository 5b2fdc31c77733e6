"""Errors of the yoyo command: an expected failure becomes `error:` and `hint:` on stderr, and an exit code.

yoyo's own main() lets exceptions through, and Python would print a traceback. Besides app/cli/main.py, this is the only
place that ends a process.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from app.errors import CLOSED_PIPE, INTERRUPTED, CommandError, OutputError, RemovedFolderError, UsageError, describe
from app.migrations.connection import explain, is_interrupted, sentence
from app.migrations.output import Output, requested
from app.schema.files import ADVICE
from app.streams import events
from app.text import printable

KEPT = "Migrations that were applied before stay applied"
WRITING = {"apply", "rollback", "reapply"}  # subcommands of yoyo


@contextmanager
def ending_with_errors(output: Output | None = None) -> Iterator[None]:
    """End the process if the block raises an error that the operator can act on. Other exceptions pass.

    The error is also an event of `output`, or of the output that the settings name.
    """
    try:
        try:
            yield
            events().flush()
        except psycopg.Error as error:
            if is_interrupted(error):
                raise KeyboardInterrupt from error
            raise _postgres_failed(error) from error
        except OSError as error:
            raise _system_failed(error) from error
    except CommandError as error:
        if isinstance(error, OutputError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # otherwise Python writes again when it exits, and complains
            if error.is_closed_pipe:
                raise SystemExit(CLOSED_PIPE) from error
            if not WRITING.isdisjoint(sys.argv):
                error.hint = KEPT.lower()
        print(describe(error), file=sys.stderr)
        if not isinstance(error, OutputError):
            (output or Output(requested())).error(error, error.exit_code)
        raise SystemExit(error.exit_code) from error
    except KeyboardInterrupt as error:
        stopped = CommandError(f"interrupted. {KEPT}.", "run the command again to continue")
        print(describe(stopped), file=sys.stderr)
        (output or Output(requested())).error(stopped, INTERRUPTED)
        raise SystemExit(INTERRUPTED) from error


def _postgres_failed(error: psycopg.Error) -> CommandError:
    message, hint = explain(error)
    return CommandError(sentence(f"PostgreSQL failed: {message}"), hint)


def _system_failed(error: OSError) -> CommandError:
    if RemovedFolderError.is_reason():
        return RemovedFolderError()
    if isinstance(error, FileNotFoundError) and error.errno is None:  # of yoyo, for --config
        return UsageError(f"there is no file {printable(str(error))}.", "remove -c: yoyo.ini is found without it")
    if error.filename is None:
        return CommandError(f"the system failed: {error.strerror or error}.")
    return CommandError(f"{error.filename} cannot be read: {error.strerror}.", ADVICE)
