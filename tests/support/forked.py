"""Commands `yoyo` and `images`, forked from a process that has imported them: 40 ms instead of 500."""

import multiprocessing
import os
import sys
import tempfile
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from subprocess import CompletedProcess

from app.settings import ROOT

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.support.preload", "tests.support.forked"])


def run(environment: dict[str, str], *command: str | Path) -> "CompletedProcess[str]":
    """Run a command and return its exit code and its output as text. Raises TimeoutError after 60 s."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "command")
        process = start(output, environment, *command)
        process.join(60)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{command} has not ended in 60 s")
        said = (output.with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".out", ".err"))
        return CompletedProcess(command, process.exitcode, *said)


def start(output: Path, environment: dict[str, str], *command: str | Path) -> ForkServerProcess:
    """Start a command in the project's folder. Its output goes to two files, output.out and output.err.

    `exitcode` is None while it runs, and negative if a signal ended it.
    """
    for suffix in (".out", ".err"):
        output.with_suffix(suffix).touch()  # it may be killed before it has opened them
    process = processes.Process(target=_run, args=(output, environment, [*map(str, command)]), daemon=True)
    process.start()
    return process


def _run(output: Path, environment: dict[str, str], command: list[str]) -> None:
    from tests.support.preload import COMMANDS  # here, because it changes what it imports

    for descriptor, suffix in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(output.with_suffix(suffix), os.O_WRONLY), descriptor)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = command
    COMMANDS[command[0]]()
