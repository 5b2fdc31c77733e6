"""Limits of the yoyo command, which the runbook describes: yoyo's own errors before it opens the project's backend."""

import subprocess
from pathlib import Path

import pytest

from app.settings import ROOT
from tests.conftest import BIN, environment

MESSAGES = (ROOT / "docs" / "runbook" / "messages.md").read_text()
RUNBOOK = " ".join(MESSAGES.partition("### yoyo's own")[2].partition("\n## ")[0].split())


def yoyo(command: str, folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command line of a shell in which `yoyo` is the command."""
    command = command.replace("yoyo", str(BIN / "yoyo"), 1)
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment(**variables), capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("command", ["yoyo frob", "yoyo apply --nope"])
def test_wrong_usage_is_told_in_the_words_of_yoyo(command: str) -> None:
    done = yoyo(command, ROOT)

    assert done.returncode == 2
    assert done.stderr.startswith("usage: yoyo ")
    assert "\nyoyo: error: " in done.stderr
    assert "`yoyo: error: ...`" in RUNBOOK


@pytest.mark.parametrize("command", ["rmdir $PWD && yoyo list", "yoyo list >&-"])
def test_without_a_current_folder_or_stdout_yoyo_ends_with_a_traceback(command: str, tmp_path: Path) -> None:
    done = yoyo(command, tmp_path)

    last = done.stderr.splitlines()[-1].removeprefix("AttributeError: ")
    assert done.returncode == 1
    assert f"`{last}`" in RUNBOOK


def test_another_database_is_opened_by_stock_yoyo(database: str, tmp_path: Path) -> None:
    done = yoyo(f"yoyo list --database sqlite:///{tmp_path}/x", ROOT, DATABASE_URL=database)

    assert done.returncode == 0
    assert "U         0001_create_images" in done.stdout  # although `database` has it
    assert (tmp_path / "x").exists()
    assert "`yoyo list --database sqlite:///x` creates the file `x`" in RUNBOOK
