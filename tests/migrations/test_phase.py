"""Phases: what `yoyo apply` leaves for `images schema backfill run` and `images schema contract`, and what follows."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from yoyo import read_migrations

from app.database.connect import application_name
from app.errors import CommandError
from app.migrations import ledger
from app.migrations.apply_phase import apply_phase, reject_older_sessions
from app.migrations.backend import SettingsBackend
from app.migrations.older_sessions import older_sessions, unknown_sessions
from app.migrations.status import Status, as_text
from app.plan.plan import make_plan
from app.schema.history import Entry, compare, schema_state, shipped
from app.schema.phases import Order, dependents, needed, requirements, waiting
from app.settings import Settings
from tests.conftest import as_role, backend_on
from tests.support.waiting import wait_until

FILES = {  # by number: the header, and the statement
    "0001_create_a": ("", "CREATE TABLE a (id bigint PRIMARY KEY, old integer, new integer);"),
    "0002_fill_new": (
        "-- phase: background\n-- backfill: a\n-- depends: 0001_create_a\n",
        "UPDATE a SET new = old WHERE id BETWEEN $1 AND $2;",
    ),
    "0003_drop_old": ("-- phase: contract\n-- depends: 0002_fill_new\n", "ALTER TABLE a DROP COLUMN old;"),
    "0004_create_b": ("-- depends: 0001_create_a\n", "CREATE TABLE b ();"),
    "0005_require_new": (
        "-- depends: 0002_fill_new 0004_create_b\n",
        "ALTER TABLE a ADD CONSTRAINT a_new_check CHECK (new IS NOT NULL);",
    ),
    "0006_create_c": ("-- phase: contract\n-- depends: 0005_require_new\n", "CREATE TABLE c ();"),
}
BACK = {
    "0001_create_a": "DROP TABLE a;",
    "0002_fill_new": "UPDATE a SET new = NULL WHERE id > 0;",
    "0003_drop_old": "ALTER TABLE a ADD COLUMN old integer;",
    "0004_create_b": "DROP TABLE b;",
    "0005_require_new": "ALTER TABLE a DROP CONSTRAINT a_new_check;",
    "0006_create_c": "DROP TABLE c;",
}
IDS = list(FILES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for name, (header, sql) in FILES.items():
        (folder / f"{name}.sql").write_text(f"{header}\n{sql}\n")
        (folder / f"{name}.rollback.sql").write_text(f"-- loses: nothing\n\n{BACK[name]}\n")
    return folder


@pytest.fixture
def backend(empty_database: str) -> Iterator[SettingsBackend]:
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE other ()")  # so the database is not new
    with backend_on(empty_database) as backend:
        yield backend


def apply(backend: SettingsBackend, folder: Path) -> None:
    backend.apply_migrations(backend.to_apply(read_migrations(str(folder))))


def entries(backend: SettingsBackend, folder: Path) -> list[Entry]:
    return compare(shipped(folder), ledger.read(backend.connection))


def states(backend: SettingsBackend, folder: Path) -> list[str]:
    return [entry.state for entry in entries(backend, folder)]


def rollback(backend: SettingsBackend, folder: Path, *names: str) -> None:
    applied = backend.to_rollback(read_migrations(str(folder)))
    backend.rollback_migrations(applied.filter(lambda each: not names or each.id in names))


def test_the_phases_in_their_order(backend: SettingsBackend, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    migrations = read_migrations(str(folder))
    apply(backend, folder)

    assert states(backend, folder) == ["applied", "waiting", "waiting", "applied", "waiting", "waiting"]
    assert [entry.waits for entry in entries(backend, folder)] == [
        "",
        "waits for the command: images schema backfill run",
        "waits for 0002_fill_new",
        "",
        "waits for 0002_fill_new",
        "waits for 0005_require_new",
    ]
    assert schema_state(entries(backend, folder), None) == "up-to-date"
    said = capsys.readouterr().out
    assert "0002_fill_new waits for the command: images schema backfill run\n" in said
    backend.connection.execute("INSERT INTO a VALUES (1, 7), (2, 8)")

    apply(backend, folder)  # again: nothing happens, and nothing waits for a lock
    assert capsys.readouterr().out.endswith("nothing to apply\n")
    assert not apply_phase(backend, migrations, "contract")
    assert "0003_drop_old waits for 0002_fill_new\n" in capsys.readouterr().out

    assert apply_phase(backend, migrations, "background")
    # The expand migration that waited only for the backfill follows at once.
    assert states(backend, folder) == ["applied", "applied", "waiting", "applied", "applied", "waiting"]
    assert backend.connection.execute("SELECT new FROM a ORDER BY id").fetchall() == [(7,), (8,)]
    apply(backend, folder)
    assert states(backend, folder)[2] == "waiting"

    assert apply_phase(backend, migrations, "contract")
    assert states(backend, folder) == ["applied"] * 6
    assert not any(entry.waits for entry in entries(backend, folder))


def test_a_backfill_that_yoyo_apply_has_not_finished_is_left(
    backend: SettingsBackend, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in folder.glob("000[2-6]*"):
        path.unlink()
    fill = "-- depends: 0001_create_a\n-- backfill: a\n\nUPDATE a SET id = id WHERE id BETWEEN $1 AND $2;\n"
    (folder / "0002_fill_a.sql").write_text(fill)
    (folder / "0002_fill_a.rollback.sql").write_text("-- loses: nothing\n\nSELECT 1;\n")

    assert not apply_phase(backend, read_migrations(str(folder)), "background")

    assert "0002_fill_a waits for the command: yoyo apply\n" in capsys.readouterr().out
    apply(backend, folder)
    assert apply_phase(backend, read_migrations(str(folder)), "background")


def test_a_rollback_takes_what_depends_on_it_and_no_more(
    backend: SettingsBackend, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(backend, folder)
    apply_phase(backend, read_migrations(str(folder)), "background")

    with pytest.raises(CommandError, match=r"0005_require_new is applied and needs 0002_fill_new\."):
        rollback(backend, folder, "0002_fill_new")
    rollback(backend, folder, "0005_require_new")
    rollback(backend, folder, "0002_fill_new")
    assert states(backend, folder) == ["applied", "waiting", "waiting", "applied", "waiting", "waiting"]

    apply_phase(backend, read_migrations(str(folder)), "background")
    apply_phase(backend, read_migrations(str(folder)), "contract")
    rollback(backend, folder)
    assert backend.connection.execute("SELECT to_regclass('a')").fetchone() == (None,)


def test_a_newer_release_does_not_make_what_waits_late(backend: SettingsBackend, folder: Path) -> None:
    """The newer one may have applied migrations that do not need them. This release does not know."""
    apply(backend, folder)
    for name in ("0005_require_new", "0006_create_c"):
        for path in folder.glob(f"{name}*"):
            path.unlink()
    known = compare(shipped(folder), ledger.read(backend.connection))
    record = known[0].record
    assert record is not None
    newer = record.__class__(**{**record.__dict__, "migration_id": "0009_newer"})

    found = compare(shipped(folder), [*ledger.read(backend.connection), newer])

    assert [entry.problem for entry in found] == [""] * 5
    assert [entry.state for entry in found] == ["applied", "waiting", "waiting", "applied", "newer"]


def test_a_backfill_beside_the_service_lets_another_migrator_have_its_turn(
    backend: SettingsBackend, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(backend, folder)
    backend.connection.execute("INSERT INTO a SELECT number, 1 FROM generate_series(1, 5000) AS number")
    monkeypatch.setattr("app.migrations.backfill.LEASE", 0)
    turns = []

    def sleep(seconds: float) -> None:
        free = "SELECT pg_try_advisory_xact_lock(hashtextextended('yoyo_lock', 0))"
        with psycopg.connect(backend.connection.info.dsn) as other:
            turns.append(other.execute(free).fetchone() == (True,) and seconds > 0.1)

    monkeypatch.setattr("app.migrations.locking_backend.time.sleep", sleep)

    assert apply_phase(backend, read_migrations(str(folder)), "background")

    assert True in turns
    assert False in turns  # the pause between two batches keeps the lock


def test_another_migrator_may_finish_it_meanwhile(
    backend: SettingsBackend, empty_database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(backend, folder)
    backend.connection.execute("INSERT INTO a SELECT number, 1 FROM generate_series(1, 5000) AS number")
    turns: list[str] = []
    give_way = SettingsBackend.give_way

    def finish(self: SettingsBackend, migration_id: str) -> None:
        if not turns:
            turns.append(migration_id)
            self._release()
            with backend_on(empty_database) as other:
                apply_phase(other, read_migrations(str(folder)), "background")
        give_way(self, migration_id)

    monkeypatch.setattr(SettingsBackend, "give_way", finish)
    monkeypatch.setattr("app.migrations.backfill.LEASE", 0)

    assert apply_phase(backend, read_migrations(str(folder)), "background")
    count = "SELECT count(*) FROM _yoyo_ledger WHERE migration_id = '0002_fill_new' AND outcome = 'done'"
    assert backend.connection.execute(count).fetchone() == (1,)


def test_a_session_of_an_older_release_stops_the_contraction(backend: SettingsBackend, empty_database: str) -> None:
    own = Settings(_env_file=None, database_url=SecretStr(empty_database)).model_copy(
        update={"database_url": SecretStr("postgresql://images_app@/x")}
    )
    for name, seen in (
        ("images 0.0.9", "1 of images 0.0.9 (an older release)"),
        ("images", "1 of images (an older release)"),
        ("images 0.1.0", "1 of images 0.1.0 (an older release)"),  # an earlier checkout of the same version
        ("images 0.1.0 0069", "1 of images 0.1.0 0069 (an older release)"),
        ("images 0.0.9 9999", "1 of images 0.0.9 9999 (an older release)"),
        (application_name(), None),
        ("images 0.1.0 9999", None),
        ("images 0.10.0", None),
        ("images 0.10.0 0069", None),
        ("images 99", None),
        ("psql", None),  # of another role
        ("yoyo on host, process 1", None),
    ):
        wait_until(lambda: reject_older_sessions(backend.connection, own, "the one before ends") == [])
        with psycopg.connect(empty_database, application_name=name):
            if seen is None:
                assert reject_older_sessions(backend.connection, own, None) == [], name
                continue
            with pytest.raises(CommandError) as error:
                reject_older_sessions(backend.connection, own, None)
            assert f"by its sessions: {seen}." in error.value.message
            assert error.value.exit_code == 1
            assert reject_older_sessions(backend.connection, own, "all are stopped") == [seen]
    same = Settings(_env_file=None, database_url=SecretStr(empty_database))
    unknown = pytest.raises(CommandError, match=r"1 of pgbouncer \(role postgres, its release is not known\)")
    with psycopg.connect(empty_database, application_name="pgbouncer"), unknown:
        reject_older_sessions(backend.connection, same, None)
    wait_until(lambda: reject_older_sessions(backend.connection, same, "the one before ends") == [])
    with psycopg.connect(empty_database, application_name="images-migrations"):  # `images schema status`, for example
        assert reject_older_sessions(backend.connection, same, None) == []


def test_an_owner_that_may_not_read_statistics_sees_an_older_release(
    admin: psycopg.Connection, empty_database: str
) -> None:
    """The service and the migrator have two roles, and PostgreSQL hides most of another role's session."""
    admin.execute("CREATE ROLE plain_owner LOGIN; CREATE ROLE plain_app LOGIN")
    app = as_role(empty_database, "plain_app")
    try:
        with (
            psycopg.connect(app, application_name="images 0.0.9"),
            psycopg.connect(app, application_name="pgbouncer"),
            psycopg.connect(as_role(empty_database, "plain_owner"), autocommit=True) as connection,
        ):
            assert older_sessions(connection) == ["1 of images 0.0.9 (an older release)"]
            settings = Settings(_env_file=None, database_url=SecretStr(app))
            assert unknown_sessions(connection, settings) == [
                "1 of pgbouncer (role plain_app, its release is not known)"
            ]
    finally:
        admin.execute("DROP ROLE plain_owner; DROP ROLE plain_app")


def test_the_reason_of_despite_is_in_the_ledger(
    backend: SettingsBackend, empty_database: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also in a ledger of an earlier release. If its columns cannot be added, nothing is applied."""
    migrations = read_migrations(str(folder))
    apply(backend, folder)
    assert apply_phase(backend, migrations, "background")
    backend._release()
    backend.connection.execute("ALTER TABLE _yoyo_ledger DROP COLUMN reason, DROP COLUMN seal")
    backend.reason = "the pooler's sessions are of 2.0"
    backend.session.prepare(lock_timeout=0.05)

    reading = psycopg.connect(empty_database)
    reading.execute("SELECT FROM _yoyo_ledger LIMIT 1")
    with pytest.raises(SystemExit), backend.lock():
        apply_phase(backend, migrations, "contract")
    assert "error: nothing was applied: a session holds the ledger" in capsys.readouterr().err
    reading.close()
    with backend.lock():
        assert apply_phase(backend, migrations, "contract")

    known = entries(backend, folder)
    assert {entry.id: entry.record.reason for entry in known if entry.record and entry.record.reason} == {
        "0003_drop_old": backend.reason,
        "0006_create_c": backend.reason,
    }
    text = as_text(Status(known, None, [], [], []))
    assert text.count(" (although an older release might run: the pooler's sessions are of 2.0)\n") == 2


def test_the_order_of_the_files() -> None:
    orders = {
        "0001": Order(),
        "0002": Order(("0001",), "contract"),
        "0003": Order(("0001",)),
        "0004": Order(("0003", "0002")),
        "0005": Order(),
    }
    requires = requirements(orders)

    assert requires["0005"] == ("0004",)
    assert needed(["0005"], requires) == {"0005", "0004", "0003", "0002", "0001"}
    assert dependents("0002", requires) == {"0002", "0004", "0005"}
    assert dependents("0003", requires) == {"0003", "0004", "0005"}
    assert list(waiting(orders, {"0001"})) == ["0002", "0004", "0005"]
    assert waiting(orders, {"0001", "0002"}) == {}


@pytest.mark.parametrize(
    "left", ["", "CREATE TABLE yoyo_lock (locked int, ctime timestamp, pid int, PRIMARY KEY (locked))"]
)
def test_a_new_database_has_no_older_release_so_nothing_waits(
    empty_database: str, folder: Path, left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with backend_on(empty_database) as backend:
        backend.connection.execute(left.encode())
        plan = make_plan(Settings(_env_file=None, database_url=SecretStr(empty_database)), folder=folder)
        assert ([each.id for each in plan.migrations], plan.waiting) == (IDS, [])
        apply(backend, folder)
        assert states(backend, folder) == ["applied"] * 6
        assert "waits" not in capsys.readouterr().out

        rollback(backend, folder, "0006_create_c")
    with backend_on(empty_database) as backend:  # each command has its own
        apply(backend, folder)  # now it is a database like any other
        assert states(backend, folder) == ["applied"] * 5 + ["waiting"]

        rollback(backend, folder)
    with backend_on(empty_database) as backend:
        apply(backend, folder)  # nothing is left, so it is new again
        assert states(backend, folder) == ["applied"] * 6


WAITING = ["applied", "waiting", "waiting", "applied", "waiting", "waiting"]


@pytest.mark.parametrize(
    "left",
    ["CREATE TABLE other ()", "CREATE TABLE yoyo (id int)", "CREATE TABLE parts (id int) PARTITION BY LIST (id)"],
)
def test_a_database_with_a_table_is_not_new(empty_database: str, folder: Path, left: str) -> None:
    with backend_on(empty_database) as backend:
        backend.connection.execute(left.encode())
        apply(backend, folder)
        assert states(backend, folder) == WAITING


@pytest.mark.parametrize("first", [["0001_create_a"], ["0001_create_a", "0004_create_b"], IDS[:-1]])
def test_a_database_that_was_made_in_two_steps_is_not_new(empty_database: str, folder: Path, first: list[str]) -> None:
    """A release that has only these migrations may have run between the steps."""
    with backend_on(empty_database) as backend:
        backend.apply_migrations(read_migrations(str(folder)).filter(lambda each: each.id in first))
        apply(backend, folder)
        assert states(backend, folder) == WAITING


def test_after_a_failure_the_database_is_not_new(empty_database: str, folder: Path) -> None:
    with backend_on(empty_database) as backend:
        path = folder / "0004_create_b.sql"
        good = path.read_text()
        path.write_text(good.replace("b ()", "b (n missing)"))
        with pytest.raises(CommandError):
            apply(backend, folder)
    path.write_text(good)
    with backend_on(empty_database) as backend:
        apply(backend, folder)
        assert states(backend, folder) == ["applied", "applied", "applied", "applied", "applied", "waiting"]


def test_an_older_release_that_waits_for_an_empty_database_is_not_left_behind(
    empty_database: str, folder: Path
) -> None:
    with (
        psycopg.connect(empty_database, application_name="images 0.0.9"),
        backend_on(empty_database) as backend,
    ):
        apply(backend, folder)
        assert states(backend, folder) == WAITING


def test_the_second_of_two_migrators_on_an_empty_database_applies_nothing(empty_database: str, folder: Path) -> None:
    """It chose all migrations before the first one applied them; or before the first one was killed."""
    with backend_on(empty_database) as first, backend_on(empty_database) as second:
        chosen = second.to_apply(read_migrations(str(folder)))
        first.apply_migrations(first.to_apply(read_migrations(str(folder))).filter(lambda each: each.id == IDS[0]))
        first._release()
        second.apply_migrations(chosen)
        assert states(second, folder) == WAITING
