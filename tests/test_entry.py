"""Entry points: Ctrl+C while Python imports a command, without a traceback."""

import signal
import subprocess
from pathlib import Path

import pytest

from app.settings import ROOT
from tests.conftest import BIN, environment

# Modules that press Ctrl+C while Python imports them.
PRESSED = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)\n"
IGNORED = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nraise SystemExit(7)\n"


def run(command: str, folder: Path, module: str, text: str, handler: object) -> "subprocess.CompletedProcess[str]":
    """Run a command that imports this module, in a process whose parent had this handler of SIGINT."""
    (folder / f"{module}.py").write_text(text)
    program, *arguments = command.split()
    return subprocess.run(
        [BIN / program, *arguments],
        cwd=ROOT,
        env=environment(PYTHONPATH=str(folder)),
        preexec_fn=lambda: signal.signal(signal.SIGINT, handler),  # type: ignore[arg-type]
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("images --version", "click"),
        ("images schema status", "psycopg"),
        ("yoyo list", "sqlparse"),
        ("yoyo list", "psycopg"),
    ],
)
def test_ctrl_c_during_an_import_is_one_line(command: str, module: str, tmp_path: Path) -> None:
    done = run(command, tmp_path, module, PRESSED, signal.SIG_DFL)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_a_process_in_the_background_still_ignores_it(tmp_path: Path) -> None:
    assert run("images --version", tmp_path, "click", IGNORED, signal.SIG_IGN).returncode == 7
