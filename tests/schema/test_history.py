"""Migration history: files and databases that do not agree, and the records of the ledger."""

import getpass
import hashlib
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from yoyo import get_backend, read_migrations

from app.schema.history import shipped
from app.settings import ROOT
from tests.conftest import backend_on, environment, yoyo_on
from tests.schema.test_migrations import IDS
from tests.support import forked

NAMES = ["0001_create_a", "0002_create_b", "0003_create_c"]


def write(folder: Path, name: str, before: str | None = None, sql: str | None = None) -> Path:
    """Write a migration that creates a table, and its rollback."""
    table = name.rpartition("_")[2]
    depends = f"-- depends: {before}\n" if before else ""
    (folder / f"{name}.rollback.sql").write_text(f"-- loses: nothing\n\nDROP TABLE {table};\n")
    path = folder / f"{name}.sql"
    path.write_text(f"{depends}\n{sql or f'CREATE TABLE {table} ();'}\n")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three migrations."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for name, before in zip(NAMES, [None, *NAMES], strict=False):
        write(folder, name, before)
    return folder


def apply(url: str, folder: Path, *names: str) -> None:
    """Apply the named migrations, or all."""
    with backend_on(url) as backend:
        pending = backend.to_apply(read_migrations(str(folder)))
        backend.apply_migrations(pending.filter(lambda migration: not names or migration.id in names))


def rollback(url: str, folder: Path, *names: str) -> None:
    with backend_on(url) as backend:
        applied = backend.to_rollback(read_migrations(str(folder)))
        backend.rollback_migrations(applied.filter(lambda migration: migration.id in names))


def ledger(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT migration_id, operation, outcome FROM _yoyo_ledger ORDER BY id").fetchall()


def state(url: str) -> object:
    """Return all tables, the applied migrations, and the whole ledger."""
    with psycopg.connect(url) as connection:
        return [
            connection.execute(query).fetchall()
            for query in (
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
                "SELECT * FROM _yoyo_migration ORDER BY 1",
                "SELECT * FROM _yoyo_ledger ORDER BY 1, 2",
            )
        ]


def edit(folder: Path) -> None:
    """Change a statement."""
    with (folder / f"{NAMES[0]}.sql").open("a") as file:
        file.write("SELECT 'edited';\n")


def comment(folder: Path) -> None:
    """Correct the header."""
    path = folder / f"{NAMES[0]}.sql"
    path.write_text("-- A header.\n" + path.read_text())


def rename(folder: Path) -> None:
    for suffix in (".sql", ".rollback.sql"):
        (folder / f"{NAMES[1]}{suffix}").rename(folder / f"0002_create_d{suffix}")


def delete(folder: Path) -> None:
    for suffix in (".sql", ".rollback.sql"):
        (folder / f"{NAMES[0]}{suffix}").unlink()
    second = folder / f"{NAMES[1]}.sql"
    second.write_text(second.read_text().partition("\n")[2])  # a migration that depends on it would be reported first


DISAGREEMENTS: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "edited": (
        edit,
        [
            f"{NAMES[0]} was edited after it was applied",
            "restore the file and write a new migration for the change. If the edit does not change the schema, "
            f"accept it: images schema accept {NAMES[0]}\n",
        ],
    ),
    "renamed": (
        rename,
        [
            f"{NAMES[1]} is applied, but its file was renamed to 0002_create_d",
            f"rename the file back to {NAMES[1]}.sql\n",
        ],
    ),
    "deleted": (
        delete,
        [f"{NAMES[0]} is applied, but its file is missing", "restore the file and its rollback file\n"],
    ),
}


@pytest.mark.parametrize("case", DISAGREEMENTS)
@pytest.mark.parametrize("to_apply", [0, 1])
def test_an_applied_file_that_changed_is_rejected(
    case: str, to_apply: int, empty_database: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, lines = DISAGREEMENTS[case]
    apply(empty_database, folder, *NAMES[: 3 - to_apply])
    before = state(empty_database)
    spoil(folder)
    if case == "renamed":
        third = folder / f"{NAMES[2]}.sql"
        third.write_text(third.read_text().replace(NAMES[1], "0002_create_d"))
    capsys.readouterr()

    with pytest.raises(SystemExit):
        apply(empty_database, folder)

    said = capsys.readouterr().err
    assert all(line in said for line in lines)
    assert state(empty_database) == before


def test_an_applied_file_that_changed_is_not_rolled_back(
    empty_database: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(empty_database, folder)
    edit(folder)
    rollback(empty_database, folder, NAMES[2])  # above the edit
    before = state(empty_database)

    with pytest.raises(SystemExit):
        rollback(empty_database, folder, NAMES[0], NAMES[1])

    assert f"{NAMES[0]} was edited after it was applied" in capsys.readouterr().err
    assert state(empty_database) == before


def test_a_comment_is_no_edit(empty_database: str, folder: Path) -> None:
    apply(empty_database, folder)
    before = state(empty_database)
    comment(folder)

    apply(empty_database, folder)

    assert state(empty_database) == before


def former_digests(url: str, folder: Path) -> None:
    """Make the ledger one of an earlier release, which recorded the SHA-256 of each whole file."""
    with psycopg.connect(url) as connection:
        for name in NAMES:
            whole_file = hashlib.sha256((folder / f"{name}.sql").read_bytes()).hexdigest()
            connection.execute("UPDATE _yoyo_ledger SET sha256 = %s WHERE migration_id = %s", [whole_file, name])


def test_a_digest_of_an_earlier_release_holds_until_the_file_is_edited(
    empty_database: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(empty_database, folder)
    former_digests(empty_database, folder)
    before = state(empty_database)

    apply(empty_database, folder)
    assert state(empty_database) == before

    comment(folder)
    with pytest.raises(SystemExit):
        apply(empty_database, folder)
    assert f"images schema accept {NAMES[0]}\n" in capsys.readouterr().err

    with backend_on(empty_database) as backend:
        backend.to_apply(read_migrations(str(folder)))  # as the command does: the backend learns the folder
        backend.accept([])
    comment(folder)
    apply(empty_database, folder)


def test_line_endings_are_no_edit(empty_database: str, folder: Path) -> None:
    apply(empty_database, folder)
    path = folder / f"{NAMES[0]}.sql"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    apply(empty_database, folder)


def test_a_file_that_comes_too_late_is_rejected(
    empty_database: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(empty_database, folder)
    yoyo_table = "DELETE FROM _yoyo_migration WHERE migration_id = %s"
    with psycopg.connect(empty_database) as connection:
        connection.execute(yoyo_table, [NAMES[1]])
    before = state(empty_database)

    with pytest.raises(SystemExit):
        apply(empty_database, folder)

    assert capsys.readouterr().err == (
        f"error: {NAMES[1]} is not applied, but a later migration is: {NAMES[2]}.\n"
        f"hint: give the file a number after 0003, or roll back first: yoyo rollback -r {NAMES[2]}\n"
    )
    assert state(empty_database) == before


def test_a_migration_is_not_applied_without_those_before_it(
    empty_database: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        apply(empty_database, folder, NAMES[2])

    assert capsys.readouterr().err == (
        f"error: {NAMES[2]} needs {NAMES[0]}, which is not applied.\nhint: yoyo apply -r {NAMES[2]}\n"
    )
    assert ledger(empty_database) == []


def test_a_migration_that_another_needs_is_not_rolled_back(
    empty_database: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(empty_database, folder)
    before = state(empty_database)

    with pytest.raises(SystemExit):
        rollback(empty_database, folder, NAMES[0], NAMES[2])

    assert capsys.readouterr().err == (
        f"error: {NAMES[1]} is applied and needs {NAMES[0]}.\nhint: yoyo rollback -r {NAMES[0]}\n"
    )
    assert state(empty_database) == before


def test_a_newer_database_is_accepted_and_reported(
    empty_database: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = write(folder, "0004_create_d", NAMES[2])
    apply(empty_database, folder)
    newer.unlink()
    newer.with_suffix(".rollback.sql").unlink()
    before = state(empty_database)
    capsys.readouterr()

    apply(empty_database, folder)

    assert capsys.readouterr().out == (
        "a newer release applied migrations that this release does not know: 0004_create_d\nnothing to apply\n"
    )
    with pytest.raises(SystemExit):
        rollback(empty_database, folder, NAMES[2])
    assert capsys.readouterr().err == (
        f"error: 0004_create_d is applied and needs {NAMES[2]}.\n"
        "hint: roll back 0004_create_d first, with the release that has it\n"
    )
    assert state(empty_database) == before


def test_rolling_back_to_a_revision_takes_everything_above_it(database: str) -> None:
    done = yoyo_on(database, "rollback", "-r", IDS[7])

    assert re.findall(r"rolled back (\w+)", done.stdout) == IDS[:6:-1]


def test_an_edit_is_accepted_by_name_and_recorded(database: str, tmp_path: Path) -> None:
    """The commands run in a copy of the project."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "sql", project / "sql")
    for name in ("yoyo.ini", "pyproject.toml"):
        shutil.copy(ROOT / name, project)
    for name in (IDS[1], IDS[3], IDS[4]):
        with (project / "sql" / "migrations" / f"{name}.sql").open("a") as file:
            file.write("SELECT 'edited';\n" if name != IDS[4] else "-- a comment\n")

    def command(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        variables = environment(DATABASE_URL=database, SCHEMA_PROJECT=str(project))
        return forked.run(variables, name, *arguments, folder=project)

    rejected = command("yoyo", "apply")
    other = command("images", "schema", "accept", IDS[1], IDS[2])
    accepted = command("images", "schema", "accept", IDS[1][:4])
    again = command("yoyo", "apply")
    rest = command("images", "schema", "accept", "--all")
    after = command("yoyo", "apply")
    none = command("images", "schema", "accept", "--all")

    assert rejected.returncode == 1
    assert rejected.stderr == (
        f"error: nothing was done:\n  {IDS[1]} was edited after it was applied.\n"
        f"  {IDS[3]} was edited after it was applied.\n"
        "hint: restore the files and write a new migration for the change. If the edits do not change the schema, "
        "accept them: images schema accept --all\n"
    )
    assert (other.returncode, other.stdout) == (2, "")
    assert other.stderr.startswith(f"error: {IDS[2]} is applied, not edited.\n")
    assert (accepted.returncode, accepted.stdout) == (0, f"accepted {IDS[1]}\n")
    assert f"images schema accept {IDS[3]}" in again.stderr
    assert (rest.returncode, rest.stdout) == (0, f"accepted {IDS[3]}\n")
    assert (after.returncode, after.stdout) == (0, "nothing to apply\n")
    assert (none.returncode, none.stdout) == (0, "nothing to accept\n")
    assert ledger(database)[-2:] == [(IDS[1], "accept", "done"), (IDS[3], "accept", "done")]


def test_the_ledger_has_user_host_time_and_digest(database: str) -> None:
    with psycopg.connect(database) as connection:
        rows = connection.execute("""
            SELECT migration_id, sha256, username, hostname, process, started_at <= finished_at, error
            FROM _yoyo_ledger
            WHERE operation = 'apply' AND outcome = 'done'
            ORDER BY id
        """).fetchall()

    digests = shipped()
    assert [row[:2] for row in rows] == [(name, digests[name].current) for name in IDS]
    assert {row[2:4] for row in rows} == {(getpass.getuser(), socket.gethostname())}
    assert all(process > 0 and in_order and error is None for *_, process, in_order, error in rows)


def test_a_file_that_is_edited_while_it_runs_is_recorded_as_it_ran(empty_database: str, folder: Path) -> None:
    before = shipped(folder)[NAMES[0]].current
    with backend_on(empty_database) as backend:
        pending = backend.to_apply(read_migrations(str(folder)))[:1]
        process_steps = pending[0].process_steps

        def edited_meanwhile(*arguments: object) -> None:
            edit(folder)
            process_steps(*arguments)

        pending[0].process_steps = edited_meanwhile
        backend.apply_migrations(pending)

    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT sha256 FROM _yoyo_ledger").fetchall() == [(before,)]
    with pytest.raises(SystemExit):
        apply(empty_database, folder)


def test_the_ledger_has_failures_too(empty_database: str, folder: Path) -> None:
    write(folder, NAMES[1], NAMES[0], "CREATE TABLE b ();\nINSERT INTO nowhere VALUES (1);")

    with pytest.raises(SystemExit):
        apply(empty_database, folder)

    assert ledger(empty_database) == [(NAMES[0], "apply", "done"), (NAMES[1], "apply", "failed")]
    with psycopg.connect(empty_database) as connection:
        error = connection.execute("SELECT error FROM _yoyo_ledger WHERE outcome = 'failed'").fetchone()
        assert error == ('relation "nowhere" does not exist',)


def test_mark_and_unmark_are_recorded(empty_database: str, folder: Path) -> None:
    with backend_on(empty_database) as backend:
        migrations = read_migrations(str(folder))[:1]
        backend.mark_migrations(backend.to_apply(migrations))
        backend.unmark_migrations(backend.to_rollback(migrations))

    assert ledger(empty_database) == [(NAMES[0], "mark", "done"), (NAMES[0], "unmark", "done")]


def test_every_role_may_read_the_ledger(admin: psycopg.Connection, database: str) -> None:
    admin.execute("DROP ROLE IF EXISTS clerk")
    admin.execute("CREATE ROLE clerk LOGIN")
    with psycopg.connect(database.replace("postgres@", "clerk@")) as connection:
        assert connection.execute((ROOT / "sql" / "queries" / "read_history.sql").read_bytes()).rowcount == len(IDS)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM _yoyo_ledger")


def test_migrations_of_stock_yoyo_are_added_to_the_ledger(empty_database: str, folder: Path) -> None:
    apply_by_stock(empty_database, folder)

    apply(empty_database, folder)

    assert ledger(empty_database) == [(name, "adopt", "done") for name in NAMES]
    before = state(empty_database)
    apply(empty_database, folder)
    assert state(empty_database) == before
    edit(folder)
    with pytest.raises(SystemExit):
        apply(empty_database, folder)


def test_stock_yoyo_and_ours_may_alternate(empty_database: str, folder: Path) -> None:
    """A file that changes while it is rolled back was not edited, with stock yoyo and with ours."""
    for by_stock in (rollback_by_stock, rollback):
        apply(empty_database, folder)
        by_stock(empty_database, folder, NAMES[2])
        with (folder / f"{NAMES[2]}.sql").open("a") as file:
            file.write("SELECT 'edited';\n")

        apply_by_stock(empty_database, folder)
        apply(empty_database, folder)

        assert ledger(empty_database)[-1] == (NAMES[2], "adopt", "done")


def apply_by_stock(url: str, folder: Path) -> None:
    with get_backend(url.replace("postgresql://", "postgresql+psycopg://")) as stock, stock.lock():
        stock.apply_migrations(stock.to_apply(read_migrations(str(folder))))


def rollback_by_stock(url: str, folder: Path, name: str) -> None:
    with get_backend(url.replace("postgresql://", "postgresql+psycopg://")) as stock, stock.lock():
        applied = stock.to_rollback(read_migrations(str(folder)))
        stock.rollback_migrations(applied.filter(lambda migration: migration.id == name))


@pytest.mark.parametrize("command", ["apply", "rollback", "mark", "unmark"])
def test_a_folder_without_migrations_is_an_error(empty_database: str, command: str) -> None:
    done = yoyo_on(empty_database, command, "sql/migration")

    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no folder sql/migration.\nhint: ")


def test_a_wrong_pattern_is_a_usage_error(empty_database: str) -> None:
    done = yoyo_on(empty_database, "apply", "-m", "(")

    assert done.returncode == 2
    assert done.stderr.startswith("error: -m takes a regular expression: ")
    assert done.stderr.count("\n") == 1


def test_marks_have_no_gaps(empty_database: str) -> None:
    gap = yoyo_on(empty_database, "mark", "-m", IDS[4])
    marked = yoyo_on(empty_database, "mark", "-r", IDS[4])
    from_under = yoyo_on(empty_database, "unmark", "-m", IDS[1])
    unmarked = yoyo_on(empty_database, "unmark", "-m", IDS[4])

    assert gap.returncode == 1
    assert gap.stderr == f"error: {IDS[4]} needs {IDS[0]}, which is not applied.\nhint: yoyo mark -r {IDS[4]}\n"
    assert marked.stdout == f"marked {', '.join(IDS[:5])}\nundo: yoyo unmark -r {IDS[0]} --all\n"
    assert from_under.stderr == f"error: {IDS[2]} is applied and needs {IDS[1]}.\nhint: yoyo unmark -r {IDS[1]}\n"
    assert unmarked.stdout == f"unmarked {IDS[4]}\nundo: yoyo mark -r {IDS[4]}\n"


def test_unmarking_several_needs_all(empty_database: str) -> None:
    yoyo_on(empty_database, "mark", "-r", IDS[4])
    before = state(empty_database)

    rejected = [yoyo_on(empty_database, "unmark", *arguments) for arguments in ((), ("-r", IDS[2]))]

    assert [done.returncode for done in rejected] == [1, 1]
    assert rejected[1].stderr == (
        f"error: nothing was unmarked: this would unmark 3 migrations, from {IDS[4]} down to {IDS[2]}.\n"
        f"hint: unmark the last one: yoyo unmark -m {IDS[4]}. To unmark all of them, add --all\n"
    )
    assert state(empty_database) == before

    unmarked = yoyo_on(empty_database, "unmark", "-r", IDS[2], "--all")
    undone = yoyo_on(empty_database, *unmarked.stdout.splitlines()[-1].removeprefix("undo: yoyo ").split())

    assert unmarked.stdout.splitlines()[0] == f"unmarked {', '.join(IDS[4:1:-1])}"
    assert undone.stdout == f"marked {', '.join(IDS[2:5])}\nundo: yoyo unmark -r {IDS[2]} --all\n"


def test_a_gap_that_stock_yoyo_left_is_closed_as_the_hint_says(database: str, connection: psycopg.Connection) -> None:
    connection.execute("DELETE FROM _yoyo_migration WHERE migration_id = %s", [IDS[9]])

    rejected = yoyo_on(database, "apply")
    marked = yoyo_on(database, "mark", "-m", IDS[9])
    after = yoyo_on(database, "apply")

    assert rejected.stderr.endswith(f"or roll back first: yoyo rollback -r {IDS[10]}\n")
    assert marked.stdout == f"marked {IDS[9]}\n"
    assert (after.returncode, after.stdout) == (0, "nothing to apply\n")


def test_nothing_to_do_writes_nothing(database: str) -> None:
    done = yoyo_on(f"{database}&options=-c%20default_transaction_read_only%3Don", "apply")

    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing to apply\n", "")


def test_force_is_rejected(empty_database: str) -> None:
    done = yoyo_on(empty_database, "apply", "--force")

    assert done.returncode == 2
    assert done.stderr.startswith("error: --force is not supported, because it records failed migrations as applied.\n")
