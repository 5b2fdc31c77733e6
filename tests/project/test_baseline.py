"""`images schema baseline`: new databases start from one file, complete ones continue, and others are rejected."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Composable, Identifier
from pydantic import SecretStr
from yoyo import read_migrations
from yoyo.connections import get_backend

from app.cli import make_baseline
from app.cli.main import run
from app.embedded_postgres import Server
from app.migrations.dump import dump, run_pg_dump
from app.migrations.validation import faults
from app.project import chosen
from app.review.baseline import Baseline as Generated
from app.review.scratch import scratch
from app.schema.baseline import Baseline, baseline_of, written
from app.settings import ROOT, ReviewSettings
from tests.conftest import BIN, VERSION
from tests.project.library_copy import copy_library
from tests.support.properties import given, st

BASELINE, NEXT = "0004_lend_books", "0005_count_pages"


class Library:
    """The project before and after its baseline, and databases to migrate with it."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.old = copy_library(folder / "old")
        self.new = folder / "new" / "library"
        self.names: list[str] = []

    def database(self, name: str) -> str:
        with psycopg.connect(self.server.url(), autocommit=True) as admin:
            admin.execute(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name)))
        self.names.append(name)
        return self.server.url(name)

    def drop(self) -> None:
        with psycopg.connect(self.server.url(), autocommit=True) as admin:
            for name in self.names:
                admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    @staticmethod
    def yoyo(project: Path, operation: str, revision: str = "9", *, url: str = "settings:") -> None:
        """Do what `yoyo apply -r` and `yoyo rollback -r` do, in this process."""
        with chosen(project), get_backend(url) as backend, backend.lock():
            migrations = read_migrations(str(project / "sql" / "migrations"))
            if operation == "apply":
                up_to = migrations.filter(lambda migration: migration.id <= revision)
                backend.apply_migrations(backend.to_apply(up_to))
            else:
                down_to = migrations.filter(lambda migration: migration.id >= revision)
                getattr(backend, f"{operation}_migrations")(backend.to_rollback(down_to))


@pytest.fixture(scope="module")
def library(server: Server, library_role: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """The library before its baseline, in git, and after it."""
    library = Library(server, tmp_path_factory.mktemp("baseline"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REVIEW_DATABASE_URL", server.url())
        complete = library.database("library_complete")
        patch.setenv("DATABASE_URL", complete)
        library.yoyo(library.old, "apply")
        with chosen(library.old):
            (library.old / "sql" / "schema.sql").write_text(dump(complete))
        for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "All"], ["tag", "v1.2"]):
            who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
            subprocess.run(["git", "-C", library.old, *who, *arguments], check=True)
        shutil.copytree(library.old, library.new)
        assert run(["schema", "--project", str(library.new), "baseline", "0004"]) == 0
    yield library
    library.drop()


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return a function that makes a database that of the settings."""

    def choose(url: str) -> str:
        monkeypatch.setenv("DATABASE_URL", url)
        return url

    return choose


def whole(url: str) -> str:
    """Everything in a database: schema, rights and rows, without yoyo's tables."""
    return re.sub(r"^\\.*\n", "", run_pg_dump(url, "--no-owner"), flags=re.MULTILINE)


def tables(url: str) -> object:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT to_regclass('books'), to_regclass('loans')").fetchone()


def test_one_file_and_its_rollback_take_the_place_of_the_others(
    library: Library, capfd: pytest.CaptureFixture[str]
) -> None:
    names = sorted(path.name for path in (library.new / "sql" / "migrations").iterdir())

    assert names == [f"{name}{end}" for name in (BASELINE, NEXT) for end in (".rollback.sql", ".sql")]
    assert (
        "\n-- baseline: v1.2, for 0001-0004\n" in (library.new / "sql" / "migrations" / f"{BASELINE}.sql").read_text()
    )
    assert run(["schema", "--project", str(library.new), "check"]) == 0
    assert capfd.readouterr() == ("no findings\n", "")


def test_a_complete_database_goes_on_and_keeps_its_history(
    library: Library, on: Callable[[str], str], capfd: pytest.CaptureFixture[str]
) -> None:
    url = on(library.database("library_goes_on"))
    library.yoyo(library.old, "apply", BASELINE)
    capfd.readouterr()

    assert run(["schema", "--project", str(library.new), "status"]) == 1
    assert [line.split()[:2] for line in capfd.readouterr().out.splitlines()[:2]] == [
        ["applied", BASELINE],
        ["pending", NEXT],
    ]
    library.yoyo(library.new, "apply")
    assert capfd.readouterr().out.startswith(f"applied {NEXT} in ")
    assert run(["schema", "--project", str(library.new), "status"]) == 0
    assert capfd.readouterr().out.endswith("drift: none, the schema matches schema.sql\n")
    with psycopg.connect(url) as connection:
        applied = connection.execute("SELECT migration_id FROM _yoyo_migration ORDER BY 1").fetchall()
        assert [name[:4] for (name,) in applied] == ["0001", "0002", "0003", "0004", "0005"]
        assert connection.execute("SELECT count(*) FROM _yoyo_ledger").fetchone() == (5,)


@pytest.mark.parametrize("operation", ["rollback", "unmark"])
def test_beneath_the_baseline_nothing_is_rolled_back(
    operation: str,
    library: Library,
    on: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    url = on(library.database(f"library_{operation}"))
    library.yoyo(library.old, "apply")
    before = whole(url)
    monkeypatch.setenv("ACCEPT_DATA_LOSS", "all")
    capfd.readouterr()

    with pytest.raises(SystemExit) as end:
        library.yoyo(library.new, operation, "0001")

    assert end.value.code == 1
    assert capfd.readouterr().err == (
        f"error: {BASELINE} is a baseline: this database applied one by one the 4 migrations that it replaces.\n"
        "hint: roll them back with the release v1.2, which has their files\n"
    )
    assert whole(url) == before
    with pytest.raises(psycopg.errors.RaiseException, match="this database applied one by one"):
        library.yoyo(library.new, "rollback", "0001", url=url.replace("postgresql://", "postgresql+psycopg://"))
    assert tables(url) == ("books", "loans")
    library.yoyo(library.old, "apply")
    library.yoyo(library.old, "rollback", "0001")
    assert tables(url) == (None, None)


def test_a_database_in_between_is_sent_to_the_release_before(
    library: Library, on: Callable[[str], str], capfd: pytest.CaptureFixture[str]
) -> None:
    url = on(library.database("library_between"))
    library.yoyo(library.old, "apply", "0002_index_books_author")
    before = whole(url)
    capfd.readouterr()

    with pytest.raises(SystemExit) as end:
        library.yoyo(library.new, "apply")

    message = f"{BASELINE} is a baseline for complete databases, and this one lacks 0003"
    advice = "first migrate it with the release v1.2, which has the files that it replaces"
    assert (end.value.code, capfd.readouterr().err) == (1, f"error: {message}.\nhint: {advice}\n")
    assert run(["schema", "--project", str(library.new), "status"]) == 1
    assert f"wrong: {message}: {advice}\n" in capfd.readouterr().out
    with pytest.raises(psycopg.errors.RaiseException, match="the database has tables of an earlier release"):
        library.yoyo(library.new, "apply", url=url.replace("postgresql://", "postgresql+psycopg://"))
    assert whole(url) == before
    library.yoyo(library.old, "apply")
    library.yoyo(library.new, "apply")


def test_a_database_that_no_migration_made_is_rejected(
    library: Library, on: Callable[[str], str], capfd: pytest.CaptureFixture[str]
) -> None:
    url = on(library.database("library_by_hand"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE books (id bigint)")

    with pytest.raises(SystemExit) as end:
        library.yoyo(library.new, "apply")

    assert end.value.code == 3
    assert capfd.readouterr().err == (
        f"error: {BASELINE} was not applied: the database has tables of an earlier release, or of another program.\n"
        "hint: If they are of an earlier release, first migrate with the release v1.2.\n"
    )
    assert tables(url) == ("books", None)


@pytest.mark.parametrize("backend", ["settings", "stock"])
def test_a_new_database_has_the_same_schema_rights_and_rows(
    backend: str, library: Library, on: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = on(library.database(f"library_new_{backend}"))
    chosen_url = "settings:" if backend == "settings" else url.replace("postgresql://", "postgresql+psycopg://")

    library.yoyo(library.new, "apply", url=chosen_url)

    assert whole(url) == whole(library.server.url("library_complete"))
    monkeypatch.setenv("ACCEPT_DATA_LOSS", "")
    if backend == "settings":
        with pytest.raises(SystemExit) as end:
            library.yoyo(library.new, "rollback", "0001")
        assert end.value.code == 1
        monkeypatch.setenv("ACCEPT_DATA_LOSS", BASELINE)
    library.yoyo(library.new, "rollback", "0001", url=chosen_url)
    assert tables(url) == (None, None)
    library.yoyo(library.new, "apply", url=chosen_url)
    assert whole(url) == whole(library.server.url("library_complete"))


@pytest.mark.parametrize("left", [5, 2])  # the older release has the migrations up to it
def test_an_older_release_on_a_database_of_the_baseline_says_so_in_one_line(
    left: int, library: Library, on: Callable[[str], str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    on(library.database(f"library_older_{left}"))
    library.yoyo(library.new, "apply")
    older = tmp_path / "older"
    shutil.copytree(library.old, older)
    for path in (older / "sql" / "migrations").iterdir():
        if int(path.name[:4]) > left:
            path.unlink()
    capfd.readouterr()

    with pytest.raises(SystemExit) as end:
        library.yoyo(older, "apply")

    message = f"{BASELINE} is a baseline in this database, and this release has the migrations that it replaces"
    if left < 4:
        message = f"the applied migrations are not of this release: {BASELINE} to {NEXT}"
    err = capfd.readouterr().err
    assert (end.value.code, err.partition("\n")[0]) == (1, f"error: {message}.")
    assert err.count("\n") == 2
    assert run(["schema", "--project", str(older), "status"]) == 1
    assert [line for line in capfd.readouterr().out.splitlines() if line.startswith("wrong: ")] == [
        f"wrong: {message}: {err.partition('hint: ')[2].strip()}"
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["0001", "--release", "v1"], 2, "0001_create_authors is the first migration: there is nothing to replace."),
        (["9", "--release", "v1"], 2, 'there is no migration "9".'),
        (["0002", "--release", "v1'; DROP"], 2, '"v1\'; DROP" is not the name of a release.'),
        (["0002"], 2, "git does not know the release of these files."),
    ],
)
def test_a_baseline_that_cannot_be_made_changes_no_file(
    arguments: list[str], code: int, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    library = copy_library(tmp_path)
    before = {path: path.read_bytes() for path in library.rglob("*") if path.is_file()}

    assert run(["schema", "--project", str(library), "baseline", *arguments]) == code

    assert capfd.readouterr().err.startswith(f"error: {message}\n")
    assert {path: path.read_bytes() for path in library.rglob("*") if path.is_file()} == before


class KilledError(BaseException):
    """The process ends here."""


def test_a_command_that_is_killed_at_any_step_is_finished_by_the_next(
    library: Library,
    on: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Until then nothing applies the files, and nothing rolls back with the rollback of the baseline."""
    on(library.database("library_killed"))
    names = [f"{BASELINE}.sql", f"{BASELINE}.rollback.sql"]
    new = [(library.new / "sql" / "migrations" / name).read_text() for name in names]
    wanted = {path.name: path.read_text() for path in (library.new / "sql" / "migrations").iterdir()}
    generate = ["schema", "--project", str(tmp_path / "killed"), "baseline", "4"]
    steps, unfinished = 0, 0

    def dying(method: Callable[..., Any], last: int) -> Callable[..., Any]:
        def step(path: Path, *arguments: Any, **options: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps > last:
                raise KilledError
            return method(path, *arguments, **options)

        return step

    for last in range(100):
        shutil.rmtree(tmp_path / "killed", ignore_errors=True)
        shutil.copytree(library.old, tmp_path / "killed")
        folder = tmp_path / "killed" / "sql" / "migrations"
        paths = sorted(path for path in folder.iterdir() if ".rollback" not in path.name)[:4]
        steps = 0
        with monkeypatch.context() as patch:
            for name in ("unlink", "write_text", "replace"):
                patch.setattr(Path, name, dying(getattr(Path, name), last))
            try:
                make_baseline._write(Generated(paths[-1], new[0], new[1], paths))
                break
            except KilledError:
                pass
        if (folder / ".baseline.json").exists():
            unfinished += 1
            for command in ("check", "status", "plan", "drift", "backfill status", "new Add_pages"):
                capfd.readouterr()
                assert run(["schema", "--project", str(folder.parent.parent), *command.split()]) in {1, 3}, command
                said = "".join(capfd.readouterr())
                assert f"run it again: images schema baseline {BASELINE}" in said.replace("\n", " "), (last, command)
            with pytest.raises(SystemExit):
                library.yoyo(folder.parent.parent, "apply")
            assert f"hint: run it again: images schema baseline {BASELINE}" in capfd.readouterr().err
            assert run(generate) == 0
            assert capfd.readouterr().out.endswith(
                f"{BASELINE}.sql now replaces 4 migrations, and their files are deleted\n"
            )
        else:
            make_baseline._write(Generated(paths[-1], new[0], new[1], paths))
        assert {path.name: path.read_text() for path in folder.iterdir()} == wanted, last
    assert (last, unfinished) == (13, 11)
    assert faults(folder) == []


def test_an_interrupted_creation_leaves_no_scratch_database(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL has created it when the signal comes."""
    execute = psycopg.Connection.execute
    created: list[str] = []

    def interrupted(connection: psycopg.Connection, query: Any, *arguments: Any, **options: Any) -> Any:
        cursor = execute(connection, query, *arguments, **options)
        text = query.as_string() if isinstance(query, Composable) else str(query)
        if text.startswith("CREATE DATABASE"):
            created.append(text.split('"')[1])
            raise KeyboardInterrupt
        return cursor

    settings = ReviewSettings(_env_file=None, review_database_url=SecretStr(server.url()))
    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", interrupted)
        with pytest.raises(KeyboardInterrupt), scratch(settings):
            pass

    with psycopg.connect(server.url()) as connection:
        assert connection.execute("SELECT FROM pg_database WHERE datname = ANY(%s)", [created]).fetchall() == []
    assert len(created) == 1


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_scratch_database(ending: signal.Signals, server: Server, tmp_path: Path) -> None:
    library = copy_library(tmp_path)
    migration = library / "sql" / "migrations" / "0001_create_authors.sql"
    migration.write_text(migration.read_text() + "\nSELECT pg_sleep(600);\n")
    before = {path: path.read_bytes() for path in library.rglob("*") if path.is_file()}
    command: list[str | Path] = [BIN / "images", "schema", "--project", str(library), "baseline", "4"]
    environment = os.environ | {"REVIEW_DATABASE_URL": server.url()}

    with (
        subprocess.Popen(
            [*command, "--release", "v1"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
        ) as process,
        psycopg.connect(server.url(), autocommit=True) as connection,
    ):
        query = "SELECT datname FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"
        while not (found := connection.execute(query).fetchone()):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(ending)
        _, said = process.communicate(timeout=30)
        left = connection.execute("SELECT FROM pg_database WHERE datname = %s", found).fetchall()

    assert (process.returncode, said, left) == (130, "interrupted\n", [])
    assert {path: path.read_bytes() for path in library.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ('CREATE SCHEMA "Old"; CREATE TABLE "Old".orders ();', 'schema "Old"'),
        pytest.param(
            "CREATE EXTENSION hstore;",
            "extension hstore",
            marks=pytest.mark.skipif(VERSION == 16, reason="the wheel of PostgreSQL 16 has no contrib"),
        ),
        (
            "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';\n"
            "CREATE EVENT TRIGGER watch ON sql_drop EXECUTE FUNCTION watch();",
            "event trigger watch",
        ),
        ("CREATE PUBLICATION all_orders;", "publication all_orders"),
        ("CREATE FOREIGN DATA WRAPPER remote;", "foreign-data wrapper remote"),
    ],
)
def test_a_baseline_does_not_lose_what_is_outside_of_the_schema(
    statement: str,
    what: str,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("REVIEW_DATABASE_URL", server.url())
    folder = tmp_path / "sql" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "yoyo.ini").write_text("[DEFAULT]\nsources = sql/migrations\n")
    files = {
        "0001_create_orders": "\nCREATE TABLE orders ();",
        "0002_add_more": f"-- depends: 0001_create_orders\n\n{statement}",
    }
    for name, up in files.items():
        (folder / f"{name}.sql").write_text(f"-- Changes it.\n-- irreversible: it is a test\n{up}\n")

    assert run(["schema", "--project", str(tmp_path), "baseline", "0002", "--release", "v1"]) == 3

    assert capfd.readouterr().err.startswith(f"error: a baseline cannot create the {what}.\n")
    assert sorted(path.stem for path in folder.iterdir()) == sorted(files)


def test_a_database_that_lacks_one_of_the_migrations_is_not_complete(
    library: Library, on: Callable[[str], str], capfd: pytest.CaptureFixture[str]
) -> None:
    """So it is if a migration of another phase was left out."""
    url = on(library.database("library_gap"))
    library.yoyo(library.old, "apply")
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM _yoyo_migration WHERE migration_id LIKE '0002%'")

    assert run(["schema", "--project", str(library.new), "status"]) == 1
    assert f"wrong: {BASELINE} is a baseline for complete databases, and this one lacks 0002" in capfd.readouterr().out


@given(st.sets(st.integers(1, 40), min_size=1))
def test_the_numbers_of_a_baseline_are_read_as_they_are_written(numbers: set[int]) -> None:
    wanted = {f"{number:04}" for number in numbers}

    found = baseline_of({"baseline": written("v1/2.0-3+x", wanted)})

    assert found == Baseline("v1/2.0-3+x", frozenset(wanted))


def test_files_before_a_baseline_are_a_fault(
    library: Library, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(library.new, mixed)
    for path in (library.old / "sql" / "migrations").glob("0001*"):
        shutil.copy(path, mixed / "sql" / "migrations")

    assert run(["schema", "--project", str(mixed), "check"]) == 1
    assert "is a baseline, but 0001_create_authors.sql is there" in capfd.readouterr().out


async def test_the_catalogue_itself_can_have_a_baseline(
    server: Server,
    client: httpx.AsyncClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The command compares the schemas itself. A service with the baseline is ready on a database of all migrations."""
    for name in ("yoyo.ini", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "sql", tmp_path / "sql")
    monkeypatch.setenv("REVIEW_DATABASE_URL", server.url())
    last = max(path.name[:4] for path in (tmp_path / "sql" / "migrations").iterdir())

    assert run(["schema", "--project", str(tmp_path), "baseline", last, "--release", "v1"]) == 0

    said = capfd.readouterr().out
    include = "\\ir migrations/0029_grant_images_app.sql"
    line = (ROOT / "sql" / "roles.sql").read_text().splitlines().index(include) + 1
    assert (
        f"sql/roles.sql:{line} mentions 0029_grant_images_app.sql, which is deleted: write its statements here\n"
        in said
    )
    assert len(list((tmp_path / "sql" / "migrations").iterdir())) == 2
    assert run(["schema", "--project", str(tmp_path), "check"]) == 0
    with chosen(tmp_path):
        ready = await client.get("/readyz")
        shown = await client.get("/v1/schema")
    assert ready.status_code == 200, ready.text
    assert (shown.json()["state"], shown.json()["drift"]) == ("up-to-date", [])
    assert [each["state"] for each in shown.json()["migrations"]] == ["applied"]
