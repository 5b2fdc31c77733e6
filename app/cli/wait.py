"""Wait for PostgreSQL and the object store, `images wait`: the first step of a container's start."""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TypeVar

import asyncpg
import psycopg
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from app.catalogue.ownership import compare
from app.cli.check_port import check_port
from app.cli.failures import FAILURES, cannot_connect
from app.cli.output import note
from app.cli.store_folder import exists, warn_if_read_only
from app.database import queries
from app.database.connect import connect, reject_pooler
from app.database.errors import TRY_NEXT_HOST, PoolerError
from app.database.libpq_options import asyncpg_urls, check_files
from app.database.pool import Pool
from app.decoder.client import describe_decoder
from app.embedded_postgres import connectable, owner_url
from app.errors import CannotConnectError, CommandError, UsageError, connection_reason
from app.migrations.connection import parameters
from app.schema.statements import statement
from app.settings import ServerSettings, Settings, read_settings
from app.storage.store import open_store, reach, reason, store_folder

ATTEMPT_TIMEOUT = 10.0  # seconds for one attempt at PostgreSQL, as in app/migrations/connection.py
PING_TIMEOUT = 2  # seconds
# PostgreSQL's words if a later attempt may get a connection.
FULL = re.compile("too many|connection slots|not currently accepting connections")
RETRY_INTERVAL = 0.2  # seconds between two attempts
MESSAGE_INTERVAL = 5.0  # seconds between two lines that say what the command waits for


# obstore's words for a request that failed: its URL, and the reason at the end.
REQUEST = re.compile(r"Error performing \w+ (\S+) in .* - (?:HTTP error: )?(.+)")


Result = TypeVar("Result")


class _NotYetError(Exception):
    """The server does not answer yet. `message` is for the line that says so, `failure` for the end of the wait."""

    def __init__(self, message: str, failure: CommandError) -> None:
        super().__init__(message)
        self.message = message
        self.failure = failure


async def wait_for_database(timeout: float, *, is_start: bool = False) -> None:  # noqa: ASYNC109
    """Check the settings, and return once the service and the migrator can connect.

    `timeout` is in seconds, for each server. If `is_start` is true, uvicorn starts next: its port has to be
    free.
    Raises CommandError after the time-out, and at once for what waiting cannot fix.
    """
    # A wrong setting shows here, once, and not in each worker again and again.
    settings = read_settings(needs_store=True)
    if is_start:
        check_port(ServerSettings())
    assert settings.storage_url is not None
    folder = store_folder(settings.storage_url)
    if folder is None or exists(folder):
        await _open_and_reach_store(settings, timeout)
    database_url = connectable(settings.database_url)
    if settings.read_database_url is not None:
        _check_replica(settings.read_database_url.get_secret_value())
    migrator_url = owner_url(settings) if settings.migrate else database_url
    await _retry(lambda: _reach_postgresql(settings, database_url, timeout), timeout)
    if migrator_url != database_url:
        await _retry(lambda: _reach_as_migrator(settings, migrator_url, timeout), timeout)
    if folder is not None and _is_empty(folder):
        if await _retry(lambda: _has_images(settings, database_url, min(timeout, ATTEMPT_TIMEOUT)), timeout):
            raise UsageError(
                f"the database has images, but the object store folder {folder} is empty.",
                "check STORAGE_URL, and that its volume is mounted. To start without the bytes, "
                f"make the folder {folder / 'sha256'}",
            )
        await _open_and_reach_store(settings, timeout)
    if folder is not None:
        warn_if_read_only(folder)
    await _compare(settings)


def _check_replica(url: str) -> None:
    """Raise UsageError if the service cannot use an option of READ_DATABASE_URL. A replica may be down at a start."""
    try:
        if not url.startswith("embedded:"):
            asyncpg_urls(url)
    except ValueError as error:
        raise UsageError(f"READ_DATABASE_URL cannot be used: {error}.") from error


async def _compare(settings: Settings) -> None:
    """Raise CommandError if the sessions find wrong tables, or the store belongs to another catalogue.

    Without triggers, the service loses searches, but nothing else. Then a warning says so.
    If the database is not migrated yet, or the comparison fails, the service starts. Its workers compare later.
    """
    fault: CommandError | None = None
    with suppress(*FAILURES):
        async with Pool(settings.model_copy(update={"database_pool_size": 1}), "store") as pool:
            if (row := await queries.find_session_fault(pool)) is not None:
                if row["only_searches"]:
                    print(f"warning: searches lose new images: {row['fault']}.", file=sys.stderr)
                    print(f"hint: {row['remedy']}", file=sys.stderr, flush=True)
                else:
                    fault = CommandError(f"{row['fault']}.", row["remedy"])
            ownership = await compare(pool, open_store(settings.storage_url))
        fault = fault or ownership.fault()
    if fault is not None:
        raise fault


def report_decoder() -> None:
    """Print the versions of the decoder's libraries, and what confines it. If a part is missing, warn."""
    decoder = describe_decoder()
    if decoder.libraries:
        note(f"decoder libraries: {', '.join(decoder.libraries)}")
    if decoder.is_confined:
        note(f"decoder sandbox: {decoder.sandbox}")
    else:
        print(f"warning: decoder sandbox: {decoder.sandbox}", file=sys.stderr, flush=True)


async def _open_and_reach_store(settings: Settings, timeout: float) -> None:  # noqa: ASYNC109
    store = open_store(settings.storage_url, signing=settings.content_redirect > 0)
    await _retry(lambda: _reach_store(store), timeout)


def _is_empty(folder: Path) -> bool:
    """Return whether a folder is empty or does not exist. A new volume has lost+found."""
    return not folder.exists() or all(path.name == "lost+found" for path in folder.iterdir())


async def _has_images(settings: Settings, url: str, timeout: float) -> bool:  # noqa: ASYNC109
    """Return whether the table has an image. A database that is not migrated, or hides the table, has none."""
    try:
        connection, _ = await connect(asyncpg_urls(url), timeout)
        try:
            return await connection.execute(statement("has_images"), timeout=timeout) == "SELECT 1"
        except asyncpg.PostgresError:
            return False
        finally:
            connection.terminate()
    except TRY_NEXT_HOST as error:
        raise _not_yet(error, cannot_connect(error, settings)) from error


async def _retry(attempt: Callable[[], Awaitable[Result]], timeout: float) -> Result:  # noqa: ASYNC109
    started = last_message = monotonic()
    said = ""
    while True:
        try:
            return await attempt()
        except _NotYetError as error:
            now = monotonic()
            if now - started > timeout:
                error.failure.hint = (
                    error.failure.hint or f"waited {timeout:g} s; check that the server runs, and the network"
                )
                raise error.failure from error.__cause__
            has_changed = said and error.message != said
            if has_changed or now - last_message >= MESSAGE_INTERVAL:
                note(f"waiting for {error.message}, {now - started:.0f} s so far")
                last_message, said = now, error.message
        await asyncio.sleep(RETRY_INTERVAL)


async def _reach_store(store: ObjectStore) -> None:
    try:
        await reach(store)
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise CommandError(f"the object store rejects the credentials: {reason(error)}.") from error
    except (BaseError, OSError) as error:
        request = REQUEST.search(reason(error))
        place, why = (f" at {request[1]}", request[2]) if request else ("", reason(error))
        failure = CommandError(f"the object store{place} does not answer: {why}.")
        raise _NotYetError(f"the object store{place}: {why}", failure) from error


async def _reach_postgresql(settings: Settings, url: str, timeout: float) -> None:  # noqa: ASYNC109
    try:
        connection, _ = await connect(asyncpg_urls(url), min(timeout, ATTEMPT_TIMEOUT))
        if settings.database_pooler == "none":
            await reject_pooler(connection, min(timeout, ATTEMPT_TIMEOUT))
        await connection.close()
    except PoolerError as error:
        raise CommandError(f"{error}.") from error
    except TRY_NEXT_HOST as error:
        raise _not_yet(error, cannot_connect(error, settings)) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, OverflowError) as error:
        raise cannot_connect(error, settings) from error


async def _reach_as_migrator(settings: Settings, url: str, timeout: float) -> None:  # noqa: ASYNC109
    """Connect with libpq, as the migrator does: it takes options that asyncpg lacks."""
    try:
        check_files(url)
        async with asyncio.timeout(min(timeout, ATTEMPT_TIMEOUT)):
            await (await psycopg.AsyncConnection.connect(**parameters(url))).close()
    except (psycopg.ProgrammingError, ValueError) as error:
        raise cannot_connect(error, settings, as_owner=True) from error
    except (psycopg.Error, TimeoutError) as error:
        failure = cannot_connect(error, settings, as_owner=True)
        ping = await asyncio.to_thread(PGconn.ping, make_conninfo(url, connect_timeout=PING_TIMEOUT).encode())
        if ping in (Ping.OK, Ping.NO_ATTEMPT) and not FULL.search(str(error)):  # it rejects this role, or this URL
            raise failure from error
        raise _not_yet(error, failure) from error


def _not_yet(error: BaseException, failure: CannotConnectError) -> _NotYetError:
    return _NotYetError(f"PostgreSQL at {failure.place}: {connection_reason(error)}", failure)
