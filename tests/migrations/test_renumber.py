"""Renumbering after a merge: the files, the references, and databases that have the old number applied."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from yoyo import read_migrations

from app.cli.renumber_migration import renumber_migration
from app.errors import CommandError, UsageError
from app.migrations.renumber import renumber
from app.migrations.validation import faults
from app.project import current
from app.schema.history import compare, shipped
from tests.conftest import backend_on
from tests.schema.test_history import NAMES, apply, ledger, rollback, write

MINE, NEXT = "0004_create_mine", "0005_create_next"  # of this branch
THEIRS = "0004_create_theirs"  # of the branch that was merged first


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / "sql" / "migrations"
    folder.mkdir(parents=True)
    for name, before in zip([*NAMES, MINE, NEXT], [None, *NAMES, MINE], strict=False):
        write(folder, name, before)
    (folder.parent.parent / "README.md").write_text(
        f"See {MINE} and sql/migrations/{NEXT}.sql, not 0004_create_minerals.\n"
    )
    (folder.parent / "schema.sql").write_text(f"-- Made by {MINE}.\n")
    return folder


def merge(folder: Path) -> None:
    write(folder, THEIRS, NAMES[-1])


def content(folder: Path) -> dict[str, str]:
    root = folder.parent.parent
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def applied(url: str) -> list[object]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT migration_id FROM _yoyo_migration ORDER BY 1").fetchall()
    return [name for (name,) in rows]


def test_a_migration_and_those_that_depend_on_it_get_the_next_numbers(folder: Path) -> None:
    merge(folder)
    (fault,) = [each for each in faults(folder) if "also has the number" in str(each)]
    assert "images schema renumber 0004_create_theirs" in str(fault)

    moved = renumber(folder / f"{MINE}.sql")

    assert moved == [(MINE, "0005_create_mine"), (NEXT, "0006_create_next")]
    assert faults(folder) == []
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{name}{suffix}"
        for name in [*NAMES, THEIRS, "0005_create_mine", "0006_create_next"]
        for suffix in (".sql", ".rollback.sql")
    )
    texts = content(folder)
    assert texts["README.md"] == (
        "See 0005_create_mine and sql/migrations/0006_create_next.sql, not 0004_create_minerals.\n"
    )
    assert texts["sql/schema.sql"] == "-- Made by 0005_create_mine.\n"
    assert f"-- depends: {THEIRS}\n" in texts["sql/migrations/0005_create_mine.sql"]
    assert renumber(folder / "0005_create_mine.sql") == []


def test_the_rollback_file_stands_for_its_migration_and_another_file_is_rejected(folder: Path) -> None:
    merge(folder)

    assert renumber(folder / f"{NEXT}.rollback.sql") == []
    with pytest.raises(UsageError, match="there is no migration"):
        renumber(folder / "0009_nothing.sql")


@pytest.mark.parametrize(
    "text", ["", '{"id', "[]", "{}", '{"main": "", "apart": [], "moves": 7, "texts": {}}', "\udcff"]
)
def test_a_journal_of_something_else_is_an_error(folder: Path, text: str) -> None:
    (folder / ".renumber.json").write_text(text, errors="surrogateescape")

    with pytest.raises(CommandError, match=r"\.renumber\.json is not a file of this command"):
        renumber(folder / f"{MINE}.sql")


def test_bytes_that_are_not_utf8_stay_as_they_are(folder: Path) -> None:
    merge(folder)
    page = folder.parent.parent / "README.md"
    page.write_bytes(b"caf\xe9 " + MINE.encode() + b"\r\n")

    renumber(folder / f"{MINE}.sql")

    assert page.read_bytes() == b"caf\xe9 0005_create_mine\r\n"


class KilledError(BaseException):
    """The process ends here."""


def test_a_run_that_is_killed_at_any_step_is_finished_by_the_next(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge(folder)
    start = tmp_path / "start"
    shutil.copytree(folder.parent.parent, start)
    renumber(folder / f"{MINE}.sql")
    wanted = content(folder)
    steps = 0

    def dying(method: Callable[..., Any], last: int) -> Callable[..., Any]:
        def step(path: Path, *arguments: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps > last:
                raise KilledError
            return method(path, *arguments)

        return step

    for last in range(100):
        shutil.rmtree(folder.parent.parent)
        shutil.copytree(start, folder.parent.parent)
        steps = 0
        with monkeypatch.context() as patch:
            for name in ("rename", "replace", "unlink"):
                patch.setattr(Path, name, dying(getattr(Path, name), last))
            try:
                renumber(folder / f"{MINE}.sql")
                break
            except KilledError:
                pass
        if (folder / ".renumber.json").exists():  # nothing applies the files meanwhile
            assert [each.todo for each in faults(folder)] == [f"run it again: images schema renumber {MINE}"]
        if (folder / f"{MINE}.sql").exists() or (folder / ".renumber.json").exists():
            renumber(folder / f"{MINE}.sql")
        assert {name: text for name, text in content(folder).items() if ".part" not in name} == wanted, last
    assert last == 10  # each of them was tried


def test_a_database_with_the_old_number_follows_at_the_next_apply(empty_database: str, folder: Path) -> None:
    apply(empty_database, folder)
    merge(folder)
    renumber(folder / f"{MINE}.sql")
    rollback(empty_database, folder, "0005_create_mine", "0006_create_next")  # theirs comes before them
    assert applied(empty_database) == NAMES

    apply(empty_database, folder)

    assert applied(empty_database) == [*NAMES, THEIRS, "0005_create_mine", "0006_create_next"]


def test_a_database_with_both_follows_without_running_anything(
    empty_database: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(empty_database, folder)
    merge(folder)
    renumber(folder / f"{MINE}.sql")
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE theirs ()")
    with backend_on(empty_database) as backend:
        migrations = read_migrations(str(folder))
        backend.to_apply(migrations)
        backend.mark_migrations(migrations.filter(lambda each: each.id == THEIRS))
        assert len(backend.to_apply(migrations)) == 0

    assert applied(empty_database) == [*NAMES, THEIRS, "0005_create_mine", "0006_create_next"]
    assert "renumbered 0005_create_next to 0006_create_next, as its file is" in capsys.readouterr().out
    assert ("0005_create_mine", "accept", "done") in ledger(empty_database)
    assert all(entry.state == "applied" for entry in history(empty_database, folder))


def history(url: str, folder: Path) -> Any:
    from app.migrations import ledger

    with psycopg.connect(url) as connection:
        return compare(shipped(folder), ledger.read(connection))


def test_readers_see_the_new_number_before_a_migrator_writes(empty_database: str, folder: Path) -> None:
    apply(empty_database, folder)
    merge(folder)
    renumber(folder / f"{MINE}.sql")

    states = {entry.id: (entry.state, entry.problem) for entry in history(empty_database, folder)}

    assert states["0005_create_mine"] == ("applied", "")
    assert states["0006_create_next"] == ("applied", "")
    assert states[THEIRS][0] == "pending"
    assert "a later migration is: 0006_create_next" in states[THEIRS][1]
    assert applied(empty_database) == [*NAMES, MINE, NEXT]


def test_a_database_with_neither_number_applies_all(empty_database: str, folder: Path) -> None:
    apply(empty_database, folder, *NAMES)
    merge(folder)
    renumber(folder / f"{MINE}.sql")

    apply(empty_database, folder)

    assert applied(empty_database) == [*NAMES, THEIRS, "0005_create_mine", "0006_create_next"]


def test_another_statement_is_no_renumbering(empty_database: str, folder: Path) -> None:
    apply(empty_database, folder)
    merge(folder)
    renumber(folder / f"{MINE}.sql")
    path = folder / "0005_create_mine.sql"
    path.write_text(path.read_text() + "SELECT 1;\n")

    states = {entry.id: entry.state for entry in history(empty_database, folder)}

    assert (states[MINE], states["0005_create_mine"]) == ("missing", "pending")


def test_an_older_release_does_not_take_the_new_number_for_its_own(empty_database: str, folder: Path) -> None:
    merge(folder)
    older = folder.with_name("older")
    shutil.copytree(folder, older)
    for path in older.glob("*theirs*"):
        path.unlink()
    renumber(folder / f"{MINE}.sql")
    apply(empty_database, folder)

    states = {entry.id: entry.state for entry in history(empty_database, older)}

    assert states["0006_create_next"] == "newer"
    assert states[MINE] == "pending"
    with pytest.raises(SystemExit):
        apply(empty_database, older)


def test_the_highest_number_stays_and_the_command_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(folder)

    renumber_migration(folder / f"{NEXT}.sql")
    as_text = capsys.readouterr()
    monkeypatch.setenv("MIGRATION_OUTPUT", "json")
    renumber_migration(folder / f"{NEXT}.sql")

    assert as_text == ("nothing to renumber: it has the next number already\n", "")
    assert json.loads(capsys.readouterr().out)["event"] == "nothing"
    assert content(folder) == before


def test_nothing_is_written_if_no_number_changes(tmp_path: Path) -> None:
    """Released files of other phases name each other in their own way."""
    folder = tmp_path / "project" / "sql" / "migrations"
    shutil.copytree(current().migrations, folder)
    before = content(folder)

    for name in ("0041", "0050", "0055"):
        assert renumber(next(folder.glob(f"{name}_*[!k].sql"))) == []
        assert content(folder) == before


def test_two_migrators_at_once_follow_once(empty_database: str, folder: Path) -> None:
    from app.migrations.ledger import read
    from app.migrations.renumbered_files import follow

    apply(empty_database, folder)
    merge(folder)
    renumber(folder / f"{MINE}.sql")
    said: list[str] = []
    with backend_on(empty_database) as first:
        first._hold()
        files = shipped(folder)
        follow(first.connection, files, read(first.connection), said.append)
        follow(first.connection, files, read(first.connection), said.append)  # as the next one finds it

    assert len(said) == 2
    assert applied(empty_database) == [*NAMES, "0005_create_mine", "0006_create_next"]
