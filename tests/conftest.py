"""A PostgreSQL of the version in PG (18 unless set), a database per test, and the application over it."""

import functools
import gc
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController
from yoyo.connections import get_backend

from app import project
from app.embedded_postgres import Server, binaries
from app.main import create_app
from app.migrations.backend import SettingsBackend
from app.schema import history
from app.schema.digest import digest
from app.settings import ROOT, Settings
from app.web.endpoints import pages
from tests.support import forked
from tests.support.data_folders import (
    FOLDER,
    IN_MEMORY,
    IS_WORKER,
    MIGRATED,
    SHARED,
    UNSAFE,
    remove_left,
    start_copy,
)
from tests.support.data_folders import MEMORY as MEMORY
from tests.support.data_folders import VERSION as VERSION
from tests.support.data_folders import as_role as as_role
from tests.support.data_folders import make_roles as make_roles
from tests.support.kept_decoders import KeptCodec, end_kept
from tests.support.known_faults import known_faults
from tests.support.pgbouncer import PgBouncer, pgbouncer
from tests.support.s3 import S3

BIN = Path(sys.executable).parent
NUMBER = count(1)
# Below the ports that the kernel assigns, and different for each process, so no other program takes one meanwhile.
PORTS = count(10_000 + os.getpid() * 256 % 20_000)
if IN_MEMORY:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# Modules that fill a large table, start services, servers or a browser, or compute something, for all their tests.
ONE_PROCESS_MODULES = {
    "test_check.py",
    "test_colors.py",
    "test_concurrent_indexes.py",
    "test_failover.py",
    "test_foreign_pages.py",
    "test_gallery.py",
    "test_limits.py",
    "test_plans.py",
    "test_replica.py",
    "test_sandbox.py",
    "test_verdicts.py",
}

# They run long, so they start first: at the end, nothing waits for them.
LONG_MODULES = {
    "test_contract.py",
    "test_failover.py",
    "test_gallery.py",
    "test_kills.py",
    "test_migrations.py",
    "test_plans.py",
    "test_replica.py",
    "test_session.py",
    "test_soak.py",
}

# httpx reads all certificates for each client, which takes 50 ms. The tests talk only plain HTTP.
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
httpx._transports.default.create_ssl_context = lambda **_: PLAIN  # type: ignore[attr-defined]

# httpx tries to import it for each request. To look in all folders takes 0.2 ms, and a test has 27 requests and waits.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]

# Collecting the tests makes nearly no garbage: the collector would only visit all that is there, again and again.
gc.disable()

# A process that a shell starts in the background ignores SIGINT, and so would every process that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

Yoyo = Callable[..., "subprocess.CompletedProcess[str]"]
shipped_once = functools.cache(history.shipped)
digest_once = functools.cache(digest)
static_files_once = functools.cache(pages.static_files)
documentation_files_once = functools.cache(pages.documentation_files)


class OneProcessForSome(LoadScopeScheduling):  # type: ignore[misc]
    """Run all tests of a module in ONE_PROCESS_MODULES in one process, without others between. Spread the other tests.

    xdist_group would say so, but xdist 3.8 writes it to where pytest 9.2 does not read it.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0].rpartition("/")[2]
        return module if module in ONE_PROCESS_MODULES else nodeid

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Forget the units that are done. xdist counts the tests of all units of a process after each test."""
        super().mark_test_complete(node, item_index, duration)
        unit = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][unit].values()):
            del self.assigned_work[node][unit]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneProcessForSome:
    gc.enable()  # this process collects no tests
    return OneProcessForSome(config, log)


def pytest_unconfigure() -> None:
    if not IS_WORKER:  # which shares it with others
        shutil.rmtree(SHARED, ignore_errors=True)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "routes(*names): run the test once for each route to PostgreSQL; see `route`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONG_MODULES)
    # As in app/main.py: the garbage collector skips all that is there now, a tenth of the time of a test.
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000, *gc.get_threshold()[1:])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if marker := metafunc.definition.get_closest_marker("routes"):
        metafunc.parametrize("route", marker.args, indirect=True)


@pytest.fixture(autouse=True)
def same_folder() -> Iterator[None]:
    """Return to the project's folder after each test: the migrator goes to the folder of its project."""
    yield
    os.chdir(ROOT)


@pytest.fixture(scope="session", autouse=True)
def no_decoder_left() -> Iterator[None]:
    yield
    end_kept()


@pytest.fixture(scope="session")
def server(memory: Path) -> Iterator[Server]:
    if not (binaries(VERSION) / "postgres").exists():
        pytest.exit(f"PG={VERSION}: no PostgreSQL {VERSION} in {binaries(VERSION)}", returncode=1)
    server = Server(
        memory / "data", VERSION, f"{UNSAFE} -c max_connections=60 -c max_prepared_transactions=8 -c log_lock_waits=on"
    )
    start_copy(server, MIGRATED)
    for name in (MIGRATED, "template1"):
        psycopg.connect(server.url(name)).close()  # its first session makes a cache, which each copy has then
    yield server
    server.release()


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for databases, in memory if there is enough.

    The database of a test is 300 files. Memory makes them ten times as fast as some disks.
    """
    if not IN_MEMORY:
        yield tmp_path_factory.mktemp("postgres")
        return
    remove_left()
    folder = MEMORY / f"{FOLDER}{os.getpid()}"
    folder.mkdir(exist_ok=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def admin(server: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def template(server: Server) -> str:
    """The name of a database whose schema the real migrations made, for the roles of sql/roles.sql."""
    return MIGRATED


@pytest.fixture
def empty_database(server: Server, admin: psycopg.Connection) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    yield from _database(server, admin, "template1")


@pytest.fixture
def database(server: Server, admin: psycopg.Connection, template: str) -> Iterator[str]:
    """The URL of a migrated database without rows."""
    yield from _database(server, admin, template)


@pytest.fixture
def other_database(server: Server, admin: psycopg.Connection, template: str) -> Iterator[str]:
    """The URL of a second migrated database without rows."""
    yield from _database(server, admin, template)


def _database(server: Server, admin: psycopg.Connection, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"  # this module is imported twice, by pytest and by tests: a count would begin twice
    # A copy of the files takes 8 ms of CPU less than one through the log.
    copy = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    admin.execute(copy.format(Identifier(name), Identifier(template)))
    yield server.url(name)
    admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def slow_migration(tmp_path: Path) -> Path:
    """A folder with one migration that makes a table, then sleeps for a minute."""
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "0001_create_asleep.sql").write_text("CREATE TABLE asleep ();\nSELECT pg_sleep(60);\n")
    (folder / "0001_create_asleep.rollback.sql").write_text("-- loses: nothing\n\nDROP TABLE asleep;\n")
    return folder


def free_port() -> int:
    while True:
        port = next(PORTS)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of a command under test: that of a bare terminal, and the variables of the test."""
    return {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/")} | variables


def yoyo_on(url: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the plain yoyo command on a database, in the project's folder."""
    return forked.run(environment(DATABASE_URL=url, **variables), "yoyo", *arguments)


@contextmanager
def backend_on(url: str) -> Iterator[SettingsBackend]:
    """Yield the project's yoyo backend, inside its lock. It runs in this process, faster than the yoyo command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        patch.chdir(ROOT)
        patch.setattr("app.migrations.known_migrations.faults", known_faults)
        patch.setattr("app.schema.history.digest", digest_once)
        with get_backend("settings:") as backend, backend.lock():
            yield backend


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    s3 = S3(free_port())
    s3.start()
    yield s3
    s3.kill()


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The server of all tests, and its variables in the environment. Each test has a prefix of its own."""
    for name, value in s3_server.variables.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture(scope="session")
def pooler(server: Server) -> Iterator[PgBouncer]:
    """A PgBouncer in transaction mode: many clients share few sessions."""
    with pgbouncer(server) as started:
        yield started


@pytest.fixture
def route(request: pytest.FixtureRequest) -> PgBouncer | None:
    """The pooler between the service and PostgreSQL: None unless the test is marked with the route "pgbouncer".

    `pytest.mark.routes("direct", "pgbouncer")` runs a test with both.
    """
    match getattr(request, "param", "direct"):
        case "direct":
            return None
        case "pgbouncer":
            pooler: PgBouncer = request.getfixturevalue("pooler")
            return pooler
        case other:
            raise ValueError(f"no such route to PostgreSQL: {other}")


@pytest.fixture
def settings(database: str, route: PgBouncer | None, tmp_path: Path) -> Settings:
    """The service as the role that sql/roles.sql makes for it, so each test shows that its rights suffice."""
    url = as_role(database, "images_app")
    (tmp_path / "objects" / "sha256").mkdir(parents=True)  # an empty folder counts as one that is not mounted
    return Settings(
        _env_file=None,
        database_url=SecretStr(route.url(url) if route else url),
        database_pooler="transaction" if route else "none",
        migration_database_url=SecretStr(as_role(database, "images_owner")),
        storage_url=f"file:{tmp_path / 'objects'}",
        auth="none",
        database_pool_size=4,
        max_upload_bytes=5_000_000,
        max_image_pixels=1_000_000,
    )


@asynccontextmanager
async def client_of(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, in this process, between its start and its end."""
    async with AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pages, "static_files", static_files_once)
            patch.setattr(pages, "documentation_files", documentation_files_once)
            app = create_app(settings)
            patch.setattr("app.main.Codec", KeptCodec)
            patch.setattr("app.schema.history.shipped", lambda: shipped_once(project.current().migrations))
            state = await stack.enter_async_context(app.router.lifespan_context(app))

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(with_state, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(settings) as client:
        yield client
