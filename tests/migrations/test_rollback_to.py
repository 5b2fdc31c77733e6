"""Tags, and a rollback to a release: a tag of the database, or a git tag."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from app.cli import roll_back
from app.errors import CommandError, ExitCode, UsageError
from app.migrations.renumber import renumber
from app.settings import ROOT
from tests.conftest import backend_on
from tests.migrations.test_renumber import applied
from tests.schema.test_history import NAMES, apply, write

Command = Callable[..., ExitCode]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / "sql" / "migrations"
    folder.mkdir(parents=True)
    for name, before in zip(NAMES, [None, *NAMES], strict=False):
        write(folder, name, before)
    return folder


@pytest.fixture
def to(empty_database: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return a function that rolls the database back to a release, with --yes unless the test says otherwise."""
    monkeypatch.setenv("DATABASE_URL", empty_database)
    monkeypatch.chdir(ROOT)

    def run(name: str, *, is_confirmed: bool = True) -> ExitCode:
        return roll_back.roll_back(name, folder, is_confirmed=is_confirmed)

    return run


def tag(url: str, name: str, folder: Path) -> None:
    from yoyo import read_migrations

    with backend_on(url) as backend:
        backend.known.remember(read_migrations(str(folder)))
        backend.tag(name)


def git(folder: Path, *arguments: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", folder, *names, *arguments], check=True, capture_output=True)


def test_a_tag_of_the_database_is_where_a_rollback_ends(
    empty_database: str, folder: Path, to: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(empty_database, folder, NAMES[0])
    tag(empty_database, "v1.2", folder)
    apply(empty_database, folder)

    assert to("v1.2") == ExitCode.DONE

    assert applied(empty_database) == NAMES[:1]
    said = capsys.readouterr().out
    assert said.index("2 migrations to roll back") < said.index(f"rolled back {NAMES[2]}")
    assert to("v1.2") == ExitCode.DONE
    assert "nothing to do: no migration has to be rolled back" in capsys.readouterr().out


def test_a_git_tag_is_where_a_rollback_ends(empty_database: str, folder: Path, to: Command) -> None:
    git(folder.parent.parent, "init", "-q")
    for path in folder.glob("0003*"):
        path.rename(folder.parent / path.name)
    git(folder.parent.parent, "add", "sql/migrations")
    git(folder.parent.parent, "commit", "-qm", "one")
    git(folder.parent.parent, "tag", "v2")
    for path in folder.parent.glob("0003*"):
        path.rename(folder / path.name)
    apply(empty_database, folder)

    to("v2")

    assert applied(empty_database) == NAMES[:2]


def test_the_files_of_an_older_release_are_not_enough(empty_database: str, folder: Path, to: Command) -> None:
    apply(empty_database, folder, NAMES[0])
    tag(empty_database, "v1.2", folder)
    apply(empty_database, folder)
    for path in folder.glob("000[23]*"):
        path.unlink()

    with pytest.raises(CommandError, match=f"{NAMES[2]} is applied, and this release does not have its file") as error:
        to("v1.2")

    assert error.value.exit_code == ExitCode.ACTION_NEEDED
    assert applied(empty_database) == NAMES


@pytest.mark.parametrize("name", ["v9", "--help", "HEAD~99"])
def test_an_unknown_release_is_named_with_the_tags_that_there_are(
    empty_database: str, folder: Path, to: Command, name: str
) -> None:
    apply(empty_database, folder)
    tag(empty_database, "v1", folder)

    with pytest.raises(UsageError, match=r"this database has the tags v1, and git does not know the name"):
        to(name)


@pytest.mark.parametrize("answer", ["n", "", None])
def test_it_asks_and_ctrl_d_is_no(
    empty_database: str,
    folder: Path,
    to: Command,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str | None,
) -> None:
    def ask() -> str:
        assert capsys.readouterr().err.endswith("Roll back 2 migrations to v1? [y/N] ")
        if answer is None:
            raise EOFError
        return answer

    apply(empty_database, folder, NAMES[0])
    tag(empty_database, "v1", folder)
    apply(empty_database, folder)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", ask)

    assert to("v1", is_confirmed=False) == ExitCode.ACTION_NEEDED
    assert applied(empty_database) == NAMES


def test_with_json_each_line_is_an_event(
    empty_database: str, folder: Path, to: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(empty_database, folder, NAMES[0])
    tag(empty_database, "v1", folder)
    apply(empty_database, folder)
    monkeypatch.setenv("MIGRATION_OUTPUT", "json")
    capsys.readouterr()

    assert (to("v1"), to("v1")) == (ExitCode.DONE, ExitCode.DONE)

    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert events == ["plan", "done", "done", "nothing"]


def test_without_a_terminal_it_needs_yes(
    empty_database: str, folder: Path, to: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(empty_database, folder, NAMES[0])
    tag(empty_database, "v1", folder)
    apply(empty_database, folder)
    with open("/dev/null") as nothing:  # noqa: PTH123
        monkeypatch.setattr("sys.stdin", nothing)
        with pytest.raises(CommandError) as caught:
            to("v1", is_confirmed=False)

    assert caught.value.hint == "read the plan, and give --yes"
    assert applied(empty_database) == NAMES


@pytest.mark.parametrize(("answer", "left"), [("y", 1), ("", 3), ("no", 3)])
def test_on_a_terminal_it_asks(
    empty_database: str, folder: Path, to: Command, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    apply(empty_database, folder, NAMES[0])
    tag(empty_database, "v1", folder)
    apply(empty_database, folder)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda: answer)

    to("v1", is_confirmed=False)

    assert len(applied(empty_database)) == left


def test_rows_that_would_be_lost_stop_it_as_for_yoyo(
    empty_database: str, folder: Path, to: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, "0004_create_d", NAMES[2], "CREATE TABLE d (n int); INSERT INTO d VALUES (1), (2);")
    (folder / "0004_create_d.rollback.sql").write_text(
        "-- loses: the rows\n-- rows to lose: SELECT count(*) FROM d\n\nDROP TABLE d;\n"
    )
    apply(empty_database, folder, *NAMES)
    tag(empty_database, "v1", folder)
    apply(empty_database, folder)

    assert to("v1") == ExitCode.ACTION_NEEDED

    assert "0004_create_d would lose the rows: 2 rows" in capsys.readouterr().out
    assert len(applied(empty_database)) == 4


def test_a_tag_keeps_its_meaning(empty_database: str, folder: Path, to: Command) -> None:
    apply(empty_database, folder, NAMES[0])
    tag(empty_database, "v1", folder)
    tag(empty_database, "v1", folder)
    apply(empty_database, folder)

    for name in ("v1", "", "a b", "-x", "é"):
        with pytest.raises(SystemExit):
            tag(empty_database, name, folder)
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT name, migration_ids FROM _yoyo_ledger_tags").fetchall() == [("v1", NAMES[:1])]


def test_a_renumbered_migration_is_still_in_its_release(empty_database: str, folder: Path, to: Command) -> None:
    apply(empty_database, folder)
    tag(empty_database, "v1", folder)
    write(folder, "0003_create_theirs", NAMES[1])
    assert renumber(folder / f"{NAMES[2]}.sql") == [(NAMES[2], "0004_create_c")]

    assert to("v1") == ExitCode.DONE

    assert len(applied(empty_database)) == 3
