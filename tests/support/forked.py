"""Commands `yoyo` and `images`, forked from a process that has imported them: 40 ms instead of 500."""

import multiprocessing
import os
import shutil
import sys
import tempfile
import weakref
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from subprocess import CompletedProcess

from app.settings import ROOT

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.support.preload", "tests.support.forked"])


def run(
    environment: dict[str, str],
    *command: str | Path,
    folder: Path = ROOT,
    timeout: float = 60,
    stdout: Path | None = None,
) -> "CompletedProcess[str]":
    """Run a command and return its exit code and its output as text. Raises TimeoutError after so many seconds.

    Its output goes to the file `stdout` if there is one.
    """
    running = Running(environment, *command, folder=folder, stdout=stdout)
    said = running.communicate(timeout)
    return CompletedProcess(command, running.wait(), *said)


class Running:
    """A command that runs, with the methods of subprocess.Popen that the tests need. Its output goes to files."""

    def __init__(
        self, environment: dict[str, str], *command: str | Path, folder: Path = ROOT, stdout: Path | None = None
    ) -> None:
        files = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, files)
        self._output = Path(files, "command")
        self._stdout = stdout
        if stdout:
            self._output.with_suffix(".out").symlink_to(stdout)
        self._process = start(self._output, environment, *command, folder=folder)
        self.pid = self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """Return the exit status: None while it runs, and negative if a signal ended it."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit status, as `returncode`."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal. Do nothing if it has ended."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self._process.kill()

    def wait(self, timeout: float = 60) -> int:
        """Return the exit status when it has ended. Kill it and raise TimeoutError after so many seconds."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            self._process.kill()
            raise TimeoutError(f"it has not ended in {timeout} s: {self._process}")
        return self._process.exitcode

    def communicate(self, timeout: float = 60) -> tuple[str, str]:
        """Wait for the end, and return its stdout and its stderr. Return no stdout if it went to a file of the test."""
        self.wait(timeout)
        out = "" if self._stdout else self._output.with_suffix(".out").read_text(encoding="utf-8")
        return out, self._output.with_suffix(".err").read_text(encoding="utf-8")


def start(output: Path, environment: dict[str, str], *command: str | Path, folder: Path = ROOT) -> ForkServerProcess:
    """Start a command in a folder. Its output goes to two files, output.out and output.err.

    `exitcode` is None while it runs, and negative if a signal ended it.
    """
    for suffix in (".out", ".err"):
        output.with_suffix(suffix).touch()  # it may be killed before it has opened them
    arguments = (output, environment, [*map(str, command)], folder)
    process = processes.Process(target=_run, args=arguments, daemon=True)
    process.start()
    return process


def _run(output: Path, environment: dict[str, str], command: list[str], folder: Path) -> None:
    from tests.support.preload import COMMANDS  # here, because it changes what it imports

    for descriptor, suffix in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(output.with_suffix(suffix), os.O_WRONLY), descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # it is of another TMPDIR
    sys.argv[:] = command
    COMMANDS[command[0]]()
