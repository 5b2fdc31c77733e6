"""The `images` command: runs one of app/cli/commands and ends the process.

This is the only place that turns an exception into `error: ...`, `hint: ...` and an exit code.
"""

import atexit
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

import click
from click.shell_completion import shell_complete

from app.cli.commands import images
from app.cli.commands.classes import COMPLETION, EVENTS
from app.errors import (
    CLOSED_PIPE,
    INTERRUPTED,
    CommandError,
    ExitCode,
    OutputError,
    RemovedFolderError,
    UsageError,
    describe,
)
from app.streams import guard_streams
from app.text import escape_bytes_in_repr, without_secrets
from app.urls import mask_urls
from app.verbosity import verbosity


def main() -> NoReturn:
    """Run the command of sys.argv and end the process."""
    guard_streams()
    leave(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code. Errors are printed to stderr."""
    verbosity.reset()
    context: click.Context | None = None
    try:
        if instruction := os.environ.get(COMPLETION):
            return shell_complete(images, {}, "images", COMPLETION, instruction)
        with images.make_context("images", list(arguments), obj=leave) as context:
            status = images.invoke(context)
        sys.stdout.flush()
        return status if isinstance(status, int) else ExitCode.DONE
    except click.exceptions.Exit as end:  # after --help
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.message, file=sys.stderr)
        return ExitCode.USAGE
    except click.UsageError as error:
        return _report(_as_ours(error), context)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        _report_event(CommandError("interrupted."), context, INTERRUPTED)
        return INTERRUPTED
    except OutputError as error:
        return CLOSED_PIPE if error.is_closed_pipe else _report(error)
    except CommandError as error:
        return _report(error, context)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.DONE
    except Exception as error:
        if isinstance(error, OSError) and RemovedFolderError.is_reason():
            return _report(RemovedFolderError(), context)
        message = f"unexpected {type(error).__name__}: {mask_urls(' '.join(str(error).split()))}"
        return _report(CommandError(message, "this is a fault of the program; --verbose shows the traceback"), context)


def leave(status: int) -> NoReturn:
    """End the process without the interpreter's own shutdown.

    During that, a thread of obstore that has an answer to deliver aborts the process. It did so once in four runs
    after an error of the object store. Nothing is left to be written: `run` has flushed stdout.
    """
    atexit._run_exitfuncs()
    os._exit(status)


def _report(error: CommandError, context: click.Context | None = None) -> int:
    if verbosity.is_verbose:
        print(without_secrets(mask_urls(traceback.format_exc())), end="", file=sys.stderr)
    print(without_secrets(describe(error)), file=sys.stderr, flush=True)
    _report_event(error, context, error.exit_code)
    return error.exit_code


def _report_event(error: CommandError, context: click.Context | None, exit_status: int) -> None:
    """Report the error as an event too, if the command prints events and the settings ask for them."""
    format: Any = context.meta.get(EVENTS) if context else "text"
    if format not in {None, "text"}:
        from app.migrations.output import Output, requested  # slow to import

        with suppress(OutputError):
            Output(requested() if format == "requested" else format).error(error, exit_status)


def _as_ours(error: click.UsageError) -> UsageError:
    """Return the error of click's parser with its suggestion, or the way to the help, as a hint."""
    command = error.ctx.command_path if error.ctx else "images"
    hint = f"see {command} --help"
    if isinstance(error, click.NoSuchOption | click.NoSuchCommand):
        if error.possibilities:
            hint = f"did you mean {' or '.join(error.possibilities)}?"
        return UsageError(escape_bytes_in_repr(error.message), hint)
    return UsageError(escape_bytes_in_repr(error.format_message()), hint)
