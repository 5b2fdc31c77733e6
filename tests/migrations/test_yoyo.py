"""The yoyo command, which the runbook describes: errors before yoyo opens the project's backend."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from app.settings import ROOT
from tests.conftest import BIN, environment, yoyo_on
from tests.support import forked

MESSAGES = (ROOT / "docs" / "runbook" / "messages.md").read_text()
RUNBOOK = " ".join(MESSAGES.partition("### yoyo's own")[2].partition("\n## ")[0].split())


def yoyo(command: str, folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command line of a shell in which `yoyo` is the command."""
    command = command.replace("yoyo", str(BIN / "yoyo"), 1)
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment(**variables), capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("command", ["yoyo frob", "yoyo apply --nope", "yoyo"])
def test_wrong_usage_is_told_in_the_words_of_yoyo(command: str) -> None:
    done = yoyo(command, ROOT)

    assert done.returncode == 2
    assert done.stderr.startswith("usage: yoyo ")
    assert "\nyoyo: error: " in done.stderr
    assert "`yoyo: error: ...`" in RUNBOOK


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("rmdir $PWD && yoyo list", 3, "the current folder does not exist: it was removed."),
        ("yoyo --help >&-", 3, "cannot write to stdout: Bad file descriptor."),
        ("yoyo --help > /dev/full", 3, "cannot write to stdout: No space left on device."),
        ("setsid --wait yoyo list -p < /dev/null", 2, "yoyo asks for a password, and there is no terminal."),
        ("yoyo list -d postgresql://127.0.0.1:1/x", 2, "--database: the driver psycopg2 is not installed."),
        ("yoyo list -d frob", 2, "--database: No scheme specified in connection URI 'frob'."),
        ("yoyo list -c ../broken.ini", 2, "yoyo.ini cannot be read: File contains no section headers."),
        ("yoyo list -c ../latin1.ini", 2, "yoyo.ini cannot be read: 'utf-8' codec can't decode byte 0xe9"),
        ("yoyo list -c ../word.ini", 2, "yoyo.ini cannot be read: invalid literal for int() with base 10: 'x'."),
    ],
)
def test_what_yoyo_shows_as_a_traceback_is_a_message(command: str, code: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "broken.ini").write_text("x\n")
    (tmp_path / "latin1.ini").write_bytes(b"[DEFAULT]\n# caf\xe9\n")
    (tmp_path / "word.ini").write_text("[DEFAULT]\nverbosity = x\n")
    (tmp_path / "yoyo.ini").write_text("[DEFAULT]\nsources = b\ndatabase = settings:///\n")

    done = yoyo(command, tmp_path / "a")

    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    assert f"error: {message}" in done.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("yoyo frob", 2),
        ("yoyo", 2),
        ("yoyo apply nowhere", 2),
        ("yoyo new -m x", 2),
        ("yoyo apply -c nowhere.ini", 2),
        ("yoyo apply", 2),
    ],
)
def test_with_json_each_error_is_an_event(command: str, code: int) -> None:
    done = yoyo(command, ROOT, DATABASE_URL="frob", MIGRATION_OUTPUT="json")

    event = json.loads(done.stdout)
    assert (done.returncode, event["event"], event["exit_status"]) == (code, "error", code)
    assert done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "contract",
        "contract --despite",
        "rollback --to v1",
        "rollback",
        "backfill run",
        "backfill run --nope",
        "backfill pause 1",
        "backfill resume 1",
        "backfill cancel 1",
        "tag",
        "tag v1",
        "accept",
        "accept 1",
        "baseline 9999",
        "baseline 1",
        "renumber nowhere.sql",
        "renumber 9999",
    ],
)
def test_each_command_that_changes_the_schema_tells_its_error_as_an_event(command: str) -> None:
    done = forked.run(environment(DATABASE_URL="frob", MIGRATION_OUTPUT="json"), "images", "schema", *command.split())

    [event] = [json.loads(line) for line in done.stdout.splitlines()]
    assert (event["event"], event["exit_status"]) == ("error", done.returncode)
    assert f"error: {event['text']}\n" in done.stderr


def test_with_json_stdout_has_only_events_while_yoyo_prints_its_selection(empty_database: str) -> None:
    done = [
        yoyo_on(empty_database, *command.split(), MIGRATION_OUTPUT="json")
        for command in ("develop -r 2", "develop -r 2", "mark", "mark -r 3", "unmark", "break-lock", "apply -r 9999")
    ]

    events = [[json.loads(line)["event"] for line in each.stdout.splitlines()] for each in done]
    assert events == [["done"] * 2, ["done"] * 2, ["error"], ["note", "note"], ["error"], ["note"], ["error"]]
    assert [each.returncode for each in done] == [0, 0, 1, 0, 1, 0, 2]
    assert "Applying 2 migrations:" in done[0].stderr


def test_several_wrong_settings_are_an_event_each() -> None:
    done = forked.run(
        environment(DATABASE_URL="frob", MIGRATION_LOCK_WAIT="x", MIGRATION_OUTPUT="json"), "yoyo", "apply"
    )

    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["text"].partition(" ")[0].rstrip(":") for each in events] == ["DATABASE_URL", "MIGRATION_LOCK_WAIT"]


def test_another_database_is_opened_by_stock_yoyo(database: str, tmp_path: Path) -> None:
    done = yoyo(f"yoyo list --database sqlite:///{tmp_path}/x", ROOT, DATABASE_URL=database)

    assert done.returncode == 0
    assert "U         0001_create_images" in done.stdout  # although `database` has it
    assert (tmp_path / "x").exists()
    assert "`yoyo list --database sqlite:///x` creates the file `x`" in RUNBOOK


@pytest.mark.parametrize("command", ["apply -r 0002", "list"])
def test_python_in_the_folder_is_not_run(empty_database: str, tmp_path: Path, command: str) -> None:
    (tmp_path / "0001_create_a.sql").write_text("CREATE TABLE a ();\n")
    (tmp_path / "0001_create_a.rollback.sql").write_text("-- loses: nothing\n\nDROP TABLE a;\n")
    (tmp_path / "0002_create_b.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nsteps = []\n")

    done = yoyo_on(empty_database, *command.split(), str(tmp_path))

    assert (done.returncode, done.stdout) == (1, "")
    assert "0002_create_b.py:1: migrations are plain SQL, not Python" in done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("command", ["apply", "mark -r 0002"])
@pytest.mark.parametrize("depends", [("0002_create_b", "0001_create_a"), ("", "0002_create_b")])
def test_a_circle_of_dependencies_is_one_message(
    empty_database: str, tmp_path: Path, command: str, depends: tuple[str, str]
) -> None:
    for name, other in zip(("0001_create_a", "0002_create_b"), depends, strict=True):
        header = f"-- depends: {other}\n\n" if other else ""
        (tmp_path / f"{name}.sql").write_text(f"{header}CREATE TABLE {name[-1]} ();\n")
        (tmp_path / f"{name}.rollback.sql").write_text(f"-- loses: nothing\n\nDROP TABLE {name[-1]};\n")

    done = yoyo_on(empty_database, *command.split(), str(tmp_path))

    assert done.returncode == 1
    assert re.search(r"error: nothing was done:\n  .*000[12]_create_[ab].sql:1: depends on ", done.stderr)


def test_a_file_that_the_locale_cannot_read_is_told_in_one_line(database: str) -> None:
    """The error of Python has the bytes of the whole file."""
    variables = environment(DATABASE_URL=database, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")

    # Python reads these variables when it starts.
    done = subprocess.run([BIN / "yoyo", "list"], cwd=ROOT, env=variables, capture_output=True, encoding="utf-8")

    assert done.returncode == 3
    assert done.stderr.startswith("error: a migration cannot be read: 'ascii' codec can't decode byte 0xc3")
    assert len(done.stderr) < 300
    assert done.stderr.endswith("hint: choose a locale with UTF-8, such as LC_ALL=C.UTF-8\n")
