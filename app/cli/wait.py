"""app.cli.wait: to be described."""

import asyncio
import time

import asyncpg
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore
from psycopg.conninfo import conninfo_to_dict

from app.database.connect import asyncpg_urls, connect, refuse_pooler
from app.database.errors import ELSEWHERE, PoolerError
from app.embedded_postgres import connectable
from app.errors import fail
from app.settings import read_settings
from app.storage.store import open_store, reach, reason

POLL = 0.2  # seconds between two attempts to connect
PATIENCE = 5.0  # seconds between two lines that say we wait


async def wait_for_database(timeout: float) -> None:  # noqa: ASYNC109
    """Check the settings; return once the migrator can connect. What waiting cannot mend ends the command at once."""
    settings = read_settings()
    # A wrong setting shows here, once, and not in each worker again and again.
    store = open_store(settings.storage_url, signing=settings.content_redirect > 0)
    await _wait_for_store(store, timeout)
    migrator = settings.migrator_url if settings.migrate else settings.database_url
    # A set, since most often it is one URL for both.
    database_url = connectable(settings.database_url)
    for url in {connectable(migrator), database_url}:
        await _wait_for(url, timeout, direct=url == database_url and settings.database_pooler == "none")


async def _wait_for_store(store: ObjectStore, timeout: float) -> None:  # noqa: ASYNC109
    started = said = time.monotonic()
    while True:
        try:
            return await reach(store)
        except (PermissionDeniedError, UnauthenticatedError) as error:
            fail(f"images wait: the object store refuses: {reason(error)}")
        except (BaseError, OSError) as error:
            now = time.monotonic()
            if now - started > timeout:
                fail(f"images wait: the object store does not answer after {timeout:g} s: {reason(error)}")
            if now - said >= PATIENCE:
                print(f"waiting for the object store, {now - started:.0f} s so far: {reason(error)}", flush=True)
                said = now
        await asyncio.sleep(POLL)


async def _wait_for(url: str, timeout: float, direct: bool) -> None:  # noqa: ASYNC109
    parsed = conninfo_to_dict(url)
    place = f"{parsed.get('host', 'localhost')}:{parsed.get('port', 5432)}"
    started = said = time.monotonic()
    while True:
        try:
            connection, _ = await connect(asyncpg_urls(url), timeout)
            if direct:
                await refuse_pooler(connection, timeout)
            return await connection.close()
        except PoolerError as error:
            fail(f"images wait: {error}")
        except ELSEWHERE as error:
            now = time.monotonic()
            if now - started > timeout:
                fail(f"images wait: no PostgreSQL at {place} after {timeout:g} s: {error or type(error).__name__}")
            if now - said >= PATIENCE:
                print(f"waiting for PostgreSQL at {place}, {now - started:.0f} s so far", flush=True)
                said = now
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, OverflowError) as error:
            fail(f"images wait: PostgreSQL at {place} refuses: {error}")
        await asyncio.sleep(POLL)
