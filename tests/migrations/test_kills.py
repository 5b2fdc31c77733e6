"""Kills of the migrator or of the server at any statement: the next command reaches the state of a calm run.

A restart of the server in place of a kill does the same.
"""

import asyncio
import os
import random
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import cycle, groupby, islice
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from yoyo import read_migrations
from yoyo.migrations import MigrationList

from app.cli.main import run as images
from app.embedded_postgres import Server
from tests.conftest import backend_on
from tests.migrations.test_backend import wait_until
from tests.project.library_copy import copy_library
from tests.schema.test_migrations import CONTRACTS, FILES, IDS, rollback_of, rows, schema
from tests.support.cluster import Mortal
from tests.support.data_folders import UNSAFE, VERSION, start_copy
from tests.support.exhaustive import EXHAUSTIVE, one_of_each
from tests.support.legacy import CREATE_ALL, ROWS
from tests.support.relay import Command, Relay, Stop, relay_to, until

NON_TRANSACTIONAL = [path.stem for path in FILES if "\n-- transactional: false\n" in path.read_text()]
BACKFILLS = [path.stem for path in FILES if "\n-- backfill: " in path.read_text()]

# The first of each kind: the migrator does the same for the others.
KINDS = [
    next(path.stem for path in FILES if path.stem in NON_TRANSACTIONAL and f"\n{statement} " in path.read_text())
    for statement in ("CREATE INDEX CONCURRENTLY", "DROP INDEX CONCURRENTLY", "DO")
]

# A kill after one of these equals a kill before it: the database is the same, and so is the next command. (A comment is
# one of many in its transaction.) These kills are left out. So are those before and after a migration, which are the
# same for each. EVERY_STATEMENT has all of them: there the server is killed, and the migrator reports it each time.
HARMLESS = re.compile(r"BEGIN|SAVEPOINT|ROLLBACK|DEALLOCATE|COMMENT ON|SELECT (?!pg_\w*lock)")
EVERY_STATEMENT = [("apply", IDS[0]), ("rollback", NON_TRANSACTIONAL[0])]

# These are killed after each kind of statement. Exhaustive tests kill them after each statement. If a migration is one
# transaction, PostgreSQL undoes it, in the same way for each. So each of the others is killed once: when its work is
# done, and before that is recorded.
#
# The rollback of the first kind drops an index CONCURRENTLY, as the second kind does.
THOROUGH = [IDS[0], *(KINDS if EXHAUSTIVE else (KINDS[0], KINDS[2]))]
VICTIMS = ["migrator", "server process"]
EVERY_VICTIM = [*VICTIMS, "PostgreSQL"]  # which is restarted
KILLED = one_of_each(
    [(migration, victim) for migration in THOROUGH for victim in VICTIMS],
    kind=lambda killed: killed if killed[0] == KINDS[0] else killed[0],  # a half-built index can stay after both
)
ORDER = [*(each for each in IDS if each not in CONTRACTS), *CONTRACTS]  # in which a live database applies them
# The migrations from this one on are killed in a chain: of all phases.
NEWEST = 0 if EXHAUSTIVE else min(len(IDS) - 8, IDS.index(CONTRACTS[0]) - 2)
RECORD = "WITH clock "
REMAINS = ("applied", "ledger", "schema", "rows")  # parts of a state that only the work of a migration changes


def kind_of(migration: str) -> tuple[object, ...]:
    """Return what decides how the next command continues after a kill."""
    path = FILES[IDS.index(migration)]
    words = [re.findall(r"^\w+", file.read_text(), re.MULTILINE)[0] for file in (path, rollback_of(path))]
    has_transaction = migration not in NON_TRANSACTIONAL
    return migration in CONTRACTS, migration in BACKFILLS, has_transaction, *([] if has_transaction else words)


# Of the chain, the newest migration of each kind is killed, and the six newest of all. The others run between them.
KILLED_IN_CHAIN = {*one_of_each(reversed(ORDER[NEWEST:]), kind_of), *IDS[-6:]}

MADE = {0}  # numbers of migrations for which the server has a database
STARTS = 6  # commands that start at once
OPTIONS = f"{UNSAFE} -c max_connections=200"  # autovacuum would visit hundreds of databases


@pytest.fixture(scope="module")
def server(memory: Path) -> Iterator[Mortal]:
    """A server that may be killed, with a database `state_0` that has rows and no migration."""
    server = Mortal(memory / "mortal" / "data", OPTIONS)
    start_copy(server)
    create(server, ["state_0"], "template0")
    with psycopg.connect(server.url("state_0")) as connection:
        connection.execute(CREATE_ALL.encode())
        connection.execute(ROWS.replace("300000", "300").encode())  # so that the indexes are built quickly
    MADE.clear()
    MADE.add(0)
    yield server
    server.release()


def before(server: Server, number: int) -> str:
    """Return the name of a database with rows and so many migrations. The first call makes it from one with fewer."""
    name = f"state_{number}"
    if number not in MADE:
        fewer = max(each for each in MADE if each < number)
        create(server, [name], f"state_{fewer}")
        with backend_on(server.url(name)) as backend:
            backend.released = frozenset(CONTRACTS)
            backend.apply_migrations(read_migrations("sql/migrations")[fewer:number])
        MADE.add(number)
    return name


@pytest.fixture
async def relay(server: Server) -> AsyncIterator[Relay]:
    async with relay_to(server) as relay:
        yield relay


def create(server: Server, names: Iterable[str], template: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as admin:
        for name in map(Identifier, names):
            admin.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
            copy = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
            admin.execute(copy.format(name, Identifier(template)))


def state(server: Server, database: str) -> dict[str, Any]:
    """Return everything that two runs must agree in."""
    sql = {
        "applied": "SELECT migration_id FROM _yoyo_migration ORDER BY migration_id",
        "ledger": "SELECT migration_id, operation, outcome FROM _yoyo_ledger ORDER BY id",
        "lock rows": "SELECT FROM yoyo_lock",
        "locks": "SELECT objid FROM pg_locks JOIN pg_database ON pg_database.oid = database "
        "WHERE locktype = 'advisory' AND datname = current_database()",
        "invalid indexes": "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid",
    }
    with psycopg.connect(server.url(database)) as connection:
        found = {name: connection.execute(text.encode()).fetchall() for name, text in sql.items()}
        has_table = connection.execute("SELECT to_regclass('images')").fetchone() != (None,)
        return found | {"schema": schema(connection), "rows": has_table and rows(connection)}


def difference(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    expected = expected | {"lock rows": [], "locks": [], "invalid indexes": []}
    return {name: (found[name], expected[name]) for name in found if found[name] != expected[name]}


async def run(relay: Relay, database: str, *arguments: str, program: str = "yoyo") -> Command:
    """Run a command without a disturbance."""
    command = relay.start(database, *arguments, program=program)
    await end([command])
    assert (command.status, command.stderr) == (0, "")
    return command


async def end(commands: Iterable[Command]) -> None:
    await until(lambda: all(command.status is not None for command in commands))


async def kill(server: Mortal, victim: str, commands: dict[str, Command]) -> None:
    """Kill the commands by database, or their server processes, or restart PostgreSQL.

    They have ended, and the server is up, afterwards.
    """
    if victim == "migrator":
        for command in commands.values():
            command.kill()
        return
    if victim == "PostgreSQL":
        server.down()
        server.up()
        await end(commands.values())
        return
    with psycopg.connect(server.url(), autocommit=True) as witness, psycopg.connect(server.url()) as bystander:
        find = "SELECT pid FROM pg_stat_activity WHERE datname = ANY(%s) OR pid = %s"
        for (pid,) in witness.execute(find, [list(commands), bystander.info.backend_pid]).fetchall():
            with suppress(ProcessLookupError):  # the first one ends the others
                os.kill(pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):  # the server ends all sessions before it restarts
            witness.execute("SELECT pg_sleep(30)")
    wait_until(lambda: accepts_connections(server))
    await end(commands.values())


def accepts_connections(server: Server) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(server.url()):
        return True
    return False


def faults_of(victim: str, command: Command) -> str:
    """Return the faults of a command that was killed, or whose server process was killed."""
    well = command.status == -signal.SIGKILL
    if victim != "migrator":
        well = command.status == 3 and command.stderr.startswith("error: ") and command.stderr.count("\n") <= 2
    return "" if well else f"it ended with {command.status}, {command.stderr[-900:]!r}"


def stops_of(command: Command, *, whole: bool = False, every: bool = False) -> dict[str, int]:
    """Return the points at which to kill such a command: a database, and the position of the statement not to forward.

    From the moment that it has the lock to the one that it gives it back; or the whole of it.
    """
    before = ["", *command.statements]
    stops = [at for at in range(1, len(before)) if every or at == 1 or not HARMLESS.match(before[at - 1])]
    if not whole:
        locked = next(at for at, text in enumerate(before) if text.startswith("INSERT INTO yoyo_lock")) + 1
        done = next(at for at, text in enumerate(before) if text.startswith('DELETE FROM "yoyo_lock"'))
        stops = [at for at in stops if locked < at < done]
    words = 3 if whole else 2
    stops = one_of_each(stops, kind=lambda at: tuple(before[at - 1].split()[:words]))
    return {f"stop_{number}": stop for number, stop in enumerate(stops)}


async def stopped(relay: Relay, stops: dict[str, int], *arguments: str, program: str = "yoyo") -> dict[str, Command]:
    """Run the same command on several databases, each held at its own point.

    A few start at once. If all did, some would not connect in time on a busy machine.
    """
    commands: dict[str, Command] = {}
    for group in batched(stops):
        commands |= {
            name: relay.start(name, *arguments, stop=at_position(stops[name]), program=program) for name in group
        }
        await held(commands.values())
    return commands


async def completed(
    relay: Relay, databases: Iterable[str], *arguments: str, program: str = "yoyo"
) -> dict[str, Command]:
    """Run the same command on several databases to its end, a few at once."""
    commands: dict[str, Command] = {}
    for group in batched(databases):
        commands |= {name: relay.start(name, *arguments, program=program) for name in group}
        await end(commands.values())
    return commands


def batched(names: Iterable[str]) -> Iterator[list[str]]:
    """Yield the names in groups of STARTS."""
    rest = iter(names)
    while group := list(islice(rest, STARTS)):
        yield group


async def held(commands: Iterable[Command]) -> None:
    await until(lambda: all(command.held or command.status is not None for command in commands))
    assert [command.stderr for command in commands if not command.held] == []


def at_position(position: int) -> Stop:
    return lambda statements: len(statements) == position


def at_record(number: int) -> Stop:
    return lambda statements: sum(text.startswith(RECORD) for text in statements) == number


FIRST = max(1, NEWEST)
# The contract migrations that follow each other. One command rolls back all of them that need the first.
CHAINS = [
    list(chain)
    for _, chain in groupby(CONTRACTS, key=lambda migration: IDS.index(migration) - CONTRACTS.index(migration))
]
EXPANDED = len(IDS) - len(CONTRACTS)
PARTS = [ORDER[FIRST + (EXPANDED - FIRST) * part // 3] for part in (1, 2)]
UP_AND_DOWN = [
    *(("apply", "--revision", migration) for migration in PARTS),
    ("apply",),
    *(("rollback", "--revision", migration) for migration in (*reversed(PARTS), ORDER[FIRST])),
]


async def test_it_converges_after_kills_at_random_moments(server: Mortal, relay: Relay) -> None:
    """Two databases (exhaustive: ten), four rounds (ten), up and down again.

    Each migrator has a moment of its own, or the server has one.
    """
    seed = random.randrange(1_000_000)  # noqa: S311
    chance = random.Random(seed)  # noqa: S311
    names = [f"random_{number}" for number in range(10 if EXHAUSTIVE else 2)]
    rounds = range(10 if EXHAUSTIVE else 4)
    create(server, ["undisturbed", *names], before(server, NEWEST))
    for number, arguments in zip(rounds, cycle(UP_AND_DOWN), strict=False):
        started = time.monotonic()
        await run(relay, "undisturbed", *arguments)
        longest = len(names) / 3 * (time.monotonic() - started)  # so many at once, on two cores
        expected = state(server, "undisturbed")

        killed = {name: relay.start(name, *arguments) for name in names}
        if number % 4 > 1:
            await asyncio.sleep(chance.uniform(0, longest))
            await kill(server, "server process", killed)
        else:
            await asyncio.gather(*(kill_later(command, chance.uniform(0, longest)) for command in killed.values()))
        again = await completed(relay, names, *arguments)

        wrong = []
        for name, command in killed.items():
            said = "" if command.stderr.startswith("error: ") or not command.stderr else command.stderr
            faults = [said, again[name].stderr, difference(state(server, name), expected)]
            wrong += [f"seed {seed}, round {number}, {name}: {fault}" for fault in faults if fault]
        assert not wrong, "\n".join(wrong)


async def kill_later(command: Command, seconds: float) -> None:
    await asyncio.sleep(seconds)
    command.kill()


@pytest.mark.parametrize(("migration", "victim"), KILLED)
async def test_the_next_command_converges(server: Mortal, relay: Relay, migration: str, victim: str) -> None:
    state_before = before(server, IDS.index(migration))
    for operation in ("apply", "rollback"):
        create(server, ["undisturbed"], state_before)
        undisturbed = await run(relay, "undisturbed", operation, "--revision", migration)
        expected = state(server, "undisturbed")
        whole = (operation, migration) in EVERY_STATEMENT
        stops = stops_of(undisturbed, whole=whole, every=EXHAUSTIVE and whole and victim == "server process")
        create(server, stops, state_before)

        killed = await stopped(relay, stops, operation, "--revision", migration)
        await kill(server, victim, killed)
        again = await completed(relay, killed, operation, "--revision", migration)

        wrong = []
        for name, command in killed.items():
            faults = [faults_of(victim, command), again[name].stderr, difference(state(server, name), expected)]
            wrong += [f"{operation} before {command.statements[-1]}: {fault}" for fault in faults if fault]
        assert not wrong, "\n".join(wrong)
        state_before = "applied"
        create(server, [state_before], "undisturbed")


def states_on_the_way(server: Server, first: int, numbers: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the state with each of these numbers of migrations of ORDER. The database begins with `first` of them."""
    create(server, ["way"], before(server, first))
    states = {first: state(server, "way")}
    with backend_on(server.url("way")) as backend:
        backend.released = frozenset(CONTRACTS)
        ordered = sorted(read_migrations("sql/migrations"), key=lambda each: ORDER.index(each.id))
        for number, migration in enumerate(ordered[first:], first + 1):
            backend.apply_migrations(MigrationList([migration]))
            if number in numbers:
                states[number] = state(server, "way")
    return states


async def test_each_migration_is_done_by_the_next_command(server: Server, relay: Relay) -> None:
    """Up and down again: each command does again what the last one could not record, and is killed at its next one."""
    runs = (
        ("apply", ORDER[FIRST:EXPANDED], EXPANDED),
        ("contract", CONTRACTS, len(IDS)),
        *(("rollback", chain[::-1], ORDER.index(chain[0])) for chain in reversed(CHAINS)),
        ("rollback", ORDER[EXPANDED - 1 : FIRST - 1 : -1], FIRST),
    )
    around = {ORDER.index(migration) + after for migration in KILLED_IN_CHAIN for after in (0, 1)}
    states = states_on_the_way(server, FIRST, around | {last for _, _, last in runs})
    create(server, ["chain"], before(server, FIRST))
    ledger = state(server, "chain")["ledger"]
    for operation, migrations, last in runs:
        program, arguments = "yoyo", [operation, "--revision", migrations[-1]]
        if operation == "contract":
            program, arguments = "images", ["schema", "contract"]
        done = "rollback" if operation == "rollback" else "apply"
        waiting = 0  # records that the next command writes before those of its last migration
        for migration in migrations:
            # If a migration has no transaction, it is recorded when it starts, and again when it is done.
            records = 1 + (migration in NON_TRANSACTIONAL or (operation != "rollback" and migration in BACKFILLS))
            if migration in KILLED_IN_CHAIN:
                own = arguments if operation == "contract" else [operation, "--revision", migration]
                killed = relay.start("chain", *own, stop=at_record(waiting + records), program=program)
                await held([killed])
                killed.kill()
                await until(lambda: relay.connections == 0)

                if records == 1:  # its transaction was undone
                    number = ORDER.index(migration) + (operation == "rollback")
                    found, expected = state(server, "chain"), states[number] | {"ledger": ledger}
                    assert all(found[name] == expected[name] for name in REMAINS), f"{operation} of {migration}"
                waiting = 0
            ledger.append((migration, done, "done"))
            waiting += records

        await run(relay, "chain", *arguments, program=program)
        expected = states[last] | {"ledger": ledger}
        assert difference(state(server, "chain"), expected) == {}


async def converges(
    server: Mortal,
    relay: Relay,
    victims: Sequence[str],
    before: str,
    *arguments: str,
    program: str = "yoyo",
    read: Callable[[Server, str], dict[str, Any]] = state,
) -> int:
    """Disturb a command at each kind of its statements, run it again, and compare. Return how often it was disturbed.

    The victims take turns. In exhaustive tests, each of them is the victim at each statement.
    """
    create(server, ["undisturbed"], before)
    stops = stops_of(await run(relay, "undisturbed", *arguments, program=program))
    expected = read(server, "undisturbed")
    wrong: list[str] = []
    number = 0
    for turn, victim in enumerate(victims):
        own = stops if EXHAUSTIVE else dict([*stops.items()][turn :: len(victims)])
        create(server, own, before)

        killed = await stopped(relay, own, *arguments, program=program)
        await kill(server, victim, killed)
        again = await completed(relay, killed, *arguments, program=program)

        for name, command in killed.items():
            faults = [faults_of(victim, command), again[name].stderr, difference(read(server, name), expected)]
            wrong += [f"{victim} before {command.statements[-1]}: {fault}" for fault in faults if fault]
        number += len(killed)
    assert not wrong, "\n".join(wrong)
    return number


async def test_a_baseline_converges(
    server: Mortal, relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one transaction, on a new database."""
    library = copy_library(tmp_path)
    monkeypatch.setenv("REVIEW_DATABASE_URL", server.url())
    assert images(["schema", "--project", str(library), "baseline", "0004", "--release", "v1"]) == 0

    disturbed = await converges(server, relay, EVERY_VICTIM, "template0", "apply", str(library / "sql" / "migrations"))

    assert disturbed > (60 if EXHAUSTIVE else 8)


@pytest.mark.parametrize(("operation", "opposite"), [("apply", "rollback"), ("rollback", "apply")])
@pytest.mark.parametrize("migration", KINDS if EXHAUSTIVE else KINDS[:1])
async def test_the_opposite_command_goes_back(
    server: Mortal, relay: Relay, migration: str, operation: str, opposite: str
) -> None:
    """The work of the killed command is undone, and its run does not stay open in the ledger."""
    state_before = before(server, IDS.index(migration) + (operation == "rollback"))
    create(server, ["undisturbed"], state_before)
    stops = stops_of(await run(relay, "undisturbed", operation, "--revision", migration))
    create(server, stops, state_before)
    expected = state(server, state_before)

    killed = await stopped(relay, stops, operation, "--revision", migration)
    await kill(server, "migrator", killed)
    again = await completed(relay, killed, opposite, "--revision", migration)

    wrong = []
    for name, command in killed.items():
        found = state(server, name)
        unfinished = [run for run in found.pop("ledger") if run[2] not in ("done", "interrupted")]
        faults = [again[name].stderr, difference(found, expected), unfinished]
        wrong += [f"{operation} before {command.statements[-1]}: {fault}" for fault in faults if fault]
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose log has only lines of the test."""
    server = Server(tmp_path_factory.mktemp("quiet") / "data", VERSION, OPTIONS)
    start_copy(server)
    yield server
    server.release()


async def test_another_migrator_takes_over_within_two_seconds(quiet: Server, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for name, text in {
        "0001_create_asleep.sql": "CREATE TABLE asleep ();",
        "0001_create_asleep.rollback.sql": "-- loses: nothing\nDROP TABLE asleep;",
        "0002_sleep_once.sql": "-- depends: 0001_create_asleep\n"
        "SELECT pg_sleep(CASE WHEN EXISTS (SELECT FROM sleepy) THEN 60 ELSE 0 END);",
        "0002_sleep_once.rollback.sql": "-- loses: nothing\nSELECT 1;",
    }.items():
        (folder / name).write_text(text + "\n")
    with psycopg.connect(quiet.url(), autocommit=True) as connection:

        def fetch(sql: str) -> list[tuple[Any, ...]]:
            return connection.execute(sql.encode()).fetchall()

        connection.execute("CREATE TABLE sleepy AS SELECT 1")
        migrators = [Command(tmp_path, quiet.url(), "apply", str(folder)) for _ in range(8)]
        await until(lambda: fetch("SELECT FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep' AND state = 'active'"))
        await until(lambda: len(fetch("SELECT FROM pg_stat_activity WHERE application_name ~ '^yoyo'")) == 8)
        connection.execute("DELETE FROM sleepy")
        (holder,) = fetch("SELECT pid FROM yoyo_lock")[0]

        next(migrator for migrator in migrators if migrator.process.pid == holder).kill()
        died = time.monotonic()
        await until(lambda: fetch("SELECT FROM _yoyo_migration WHERE migration_id = '0002_sleep_once'"))
        assert time.monotonic() - died < 10  # seconds; two on an idle machine, and the statement would take 60

        await end(migrators)
        assert sorted(migrator.status or 0 for migrator in migrators) == [-signal.SIGKILL, *[0] * 7]
        assert [migrator.stderr for migrator in migrators] == [""] * 8
        once = [("0001_create_asleep",), ("0002_sleep_once",)]
        for table in ("_yoyo_migration", "_yoyo_log", "_yoyo_ledger"):
            assert fetch(f"SELECT migration_id FROM {table} ORDER BY migration_id") == once  # noqa: S608
    assert "ERROR" not in (quiet.data / "server.log").read_text()
