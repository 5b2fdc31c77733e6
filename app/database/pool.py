"""The application's connections to PostgreSQL: a stack of them, each with the statements of sql/queries/ prepared."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID
from weakref import WeakValueDictionary

import asyncpg

from app.database.connect import asyncpg_urls, connect, refuse_pooler
from app.database.connection import Connection
from app.database.errors import PoolerError
from app.embedded_postgres import connectable
from app.observability import metrics, queries
from app.schema.statements import statement
from app.settings import Settings

if TYPE_CHECKING:  # asyncpg's classes are generic in its stubs alone
    from app.database.connect import Record


TOGETHER = 16  # calls of one statement in one message; of more, one connection would do the work of several
FAREWELL = 1.0  # seconds that PostgreSQL has at the end; what is open then the end of the process closes
MARGIN = 0.5  # seconds more than the statement timeout: PostgreSQL's own word that it is over comes first


@dataclass
class Batch:
    """Calls of one statement that go out together."""

    calls: list[tuple[UUID, int, *tuple[object, ...]]]
    rows: asyncio.Task[dict[int, Record]] = field(init=False)
    undone: bool = False  # it has failed, and nothing of it was done


class Pool:
    """At most DATABASE_POOL_SIZE connections, opened as they are needed: it also starts with no database.

    The one that was used last is used next: its statements are prepared. Who finds none waits in turn, and gets
    TimeoutError where DATABASE_POOL_QUEUE wait already. The wait, the connecting and the first statement have
    DATABASE_STATEMENT_TIMEOUT together, and a little more. When a connection is lost, those that are idle go with it:
    nobody else has to find out. asyncpg's own pool has the server reset the session at each release, which costs as
    much as most statements here, and finds each statement by its text.
    """

    def __init__(self, settings: Settings, name: str = "requests") -> None:
        self._settings = settings
        self._label = (name,)
        self._timeout = settings.database_statement_timeout + MARGIN
        self._urls: list[str] = []  # one for each host, once they are needed; the one that served last comes first
        # Free places, with the connection that is open there or none; those without lie below.
        self._free: deque[Connection | None] = deque([None] * settings.database_pool_size)
        self._closed = False
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._closing: set[asyncio.Task[None]] = set()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._batches: dict[str, Batch] = {}  # what was asked for in this turn of the event loop, by statement

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what is free; a request that still runs ends its connection with itself."""
        for connection in self._free:
            if connection is not None:
                self._close(connection)
        self._free.clear()
        self._closed = True
        if self._closing:
            await asyncio.wait(self._closing, timeout=FAREWELL)

    async def fetch(self, name: str, *arguments: object) -> list[Record]:
        """The rows of sql/queries/NAME.sql, on any connection."""
        connection = await self._acquire()
        try:
            return await connection.fetch(name, *arguments)
        finally:
            self._release(connection)

    async def fetchrow(self, name: str, *arguments: object) -> Record | None:
        """The only row of sql/queries/NAME.sql, on any connection; None where there is none."""
        rows = await self.fetch(name, *arguments)
        return rows[0] if rows else None

    async def fetch_by_id(self, name: str, id: UUID, *arguments: object, changes: bool = False) -> Record | None:
        """The only row of sql/queries/NAME.sql for an id; None where there is none.

        What is asked for in the same turn of the event loop goes out as one message: alone nobody waits for company,
        and under load much of the work, PostgreSQL's too, is to wake each other up. The statement's $2 is the number of
        the call, which comes back with the row. It is one transaction, in the order of the ids, so that no two wait for
        each other in a circle. Should it fail, each call is made by itself: none answers for what another asked for.
        Where the time was up, that is for changes alone, which may wait for one row; what only reads waits for a table.
        """
        batch = self._batches.get(name)
        if batch is None or len(batch.calls) == TOGETHER:
            batch = self._batches[name] = Batch([])
            batch.rows = asyncio.create_task(self._fetch_batch(name, batch), context=Context())
        number, started = len(batch.calls), perf_counter()
        batch.calls.append((id, number, *arguments))
        try:
            rows = await asyncio.shield(batch.rows)  # who goes away leaves the others to it
        except asyncpg.PostgresError as error:
            if not batch.undone or (isinstance(error, asyncpg.QueryCanceledError) and not changes):
                raise
            return await self.fetchrow(name, id, number, *arguments)
        finally:
            queries.waited(name, perf_counter() - started)
        return rows.get(number)

    async def _fetch_batch(self, name: str, batch: Batch) -> dict[int, Record]:
        """The rows by number. It begins in the next turn, when nobody adds to it any more."""
        if self._batches[name] is batch:
            del self._batches[name]
        connection = await self._acquire()
        try:
            rows = await connection.fetchmany(name, sorted(batch.calls))
        finally:
            batch.undone = len(batch.calls) > 1 and connection.is_fit()
            self._release(connection)
        return {row["number"]: row for row in rows}

    @asynccontextmanager
    async def connection(self, deadline: float | None = None) -> AsyncIterator[Connection]:
        """A connection for several statements, the first of which has come back by then."""
        connection = await self._acquire(deadline)
        try:
            yield connection
        finally:
            self._release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection within a transaction, committed at the end, rolled back on an error."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[bool]:
        """One at a time for a key in this process, and whether another one was: who waits for PostgreSQL's lock holds a
        connection, who waits here none."""
        turn = self._turns.setdefault(key, asyncio.Lock())
        waited = turn.locked()
        async with turn:
            yield waited

    def connections(self) -> metrics.Connections:
        used = self._settings.database_pool_size - len(self._free)
        idle = sum(place is not None for place in self._free)
        return metrics.Connections(used, idle, self._settings.database_pool_size, len(self._waiting))

    async def _acquire(self, deadline: float | None = None) -> Connection:
        started = perf_counter()
        deadline = deadline or monotonic() + self._timeout
        try:
            connection = self._free.pop() if self._free else await self._wait(deadline)
            if connection is None or not connection.is_fit():
                try:
                    connection = await self._connect(deadline)
                except BaseException as error:
                    metrics.QUERY_ERRORS.add(1, ("connect", metrics.error_of(error)))
                    self._release(None)
                    raise
        finally:
            metrics.ACQUIRED.observe(perf_counter() - started, self._label)
        connection.deadline = deadline
        return connection

    async def _wait(self, deadline: float) -> Connection | None:
        if len(self._waiting) >= self._settings.database_pool_queue:
            raise TimeoutError("no connection was free, and too many wait for one")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_later(deadline - monotonic(), _give_up, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # it was given a place at the very moment it went away
                self._release(waiter.result())
            raise
        finally:
            timer.cancel()

    def _release(self, connection: Connection | None) -> None:
        if connection is not None and self._closed:
            connection.driver.terminate()
            return
        if connection is not None and not connection.is_fit():
            if connection.lost:
                self._close_idle()
            self._close(connection)
            connection = None
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is None:
            self._free.appendleft(None)
        else:
            self._free.append(connection)

    def _close_idle(self) -> None:
        for connection in filter(None, self._free):
            self._close(connection)
        self._free = deque([None] * len(self._free))

    def _close(self, connection: Connection) -> None:
        """In the background: PostgreSQL is first told to cancel what it may still be at."""
        task = asyncio.create_task(_close(connection.driver, self._settings.database_statement_timeout))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _connect(self, deadline: float) -> Connection:
        """Each statement has one plan for all its parameters, made once: planning would cost more than running it.
        tests/database/test_plans.py holds that a plan for just these parameters is no better. JIT compilation pays only
        for long queries, so it is off.
        """
        if not self._urls:
            self._urls = asyncpg_urls(connectable(self._settings.database_url))
        limit = f"{self._settings.database_statement_timeout * 1000:.0f}"  # milliseconds
        pooled = self._settings.database_pooler == "transaction"
        session = {
            "jit": "off",
            "plan_cache_mode": "force_generic_plan",
            "statement_timeout": limit,
            "timezone": "UTC",
        }
        try:
            driver, url = await connect(
                self._urls,
                deadline - monotonic(),
                command_timeout=self._timeout,
                server_settings={"application_name": "images"} | ({} if pooled else session),
                **({"statement_cache_size": 0} if pooled else {}),  # by which asyncpg gives no statement a name
            )
        except asyncpg.ProtocolViolationError as error:
            if "startup parameter" in str(error):  # PgBouncer's word for those that it would lose
                raise PoolerError from None
            raise
        if pooled:
            begin = statement("begin", "pooler").replace(":statement_timeout", f"'{limit}'")
            return Connection(driver, url, self._timeout, begin)
        await refuse_pooler(driver, deadline - monotonic())
        return Connection(driver, url, self._timeout)


def _give_up(waiter: asyncio.Future[Connection | None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("no connection was free"))


async def _close(connection: asyncpg.Connection[Any], timeout: float) -> None:  # noqa: ASYNC109
    try:
        await connection.close(timeout=timeout)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        connection.terminate()
