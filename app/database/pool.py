"""Connection pool: connections with prepared statements, a bounded queue, one deadline, and batches of calls.

docs/decisions/0001-connection-pool.md compares it with asyncpg's pool.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import Self
from uuid import UUID
from weakref import WeakValueDictionary

import asyncpg

from app.database.connect import application_name, connect, reject_pooler
from app.database.connection import Connection
from app.database.errors import PoolerError
from app.database.libpq_options import asyncpg_urls
from app.embedded_postgres import connectable
from app.observability import metrics
from app.observability.query_timings import add_to_request
from app.schema.statements import statement
from app.settings import Settings

BATCH_SIZE = 16  # calls of one statement in one message: in a larger batch, one connection would do the work of several
CLOSE_TIMEOUT = 1.0  # seconds to close the pool: the end of the process closes connections that are still open then
TIMEOUT_MARGIN = 0.5  # seconds beyond the statement timeout, so that PostgreSQL's own error arrives first

# Settings of a session, whatever the role, the database or the URL has.
# - Each statement has one plan for all parameters, made once, because planning would cost more than running it.
#   tests/database/test_plans.py checks that a plan for given parameters is no better. JIT compilation is off: it pays
#   only for long queries.
# - Two changes of one image wait for each other. With REPEATABLE READ, the second would fail.
# - PostgreSQL reads and writes times and strings in one way, and a search finds all matches.
# - Only statement_timeout limits a wait.
# default_transaction_read_only stays as it is: an administrator sets it to stop all changes.
SESSION = {
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "default_transaction_deferrable": "off",
    "default_transaction_isolation": "read committed",
    "gin_fuzzy_search_limit": "0",
    "idle_session_timeout": "0",
    "jit": "off",
    "lock_timeout": "0",
    "plan_cache_mode": "force_generic_plan",
    "standard_conforming_strings": "on",
    "timezone": "UTC",
}


Call = tuple[UUID, int, *tuple[object, ...]]


@dataclass
class Batch:
    """Calls of one statement that share one message. Each call is an ID, its number, and more arguments."""

    calls: list[Call]
    rows: asyncio.Task[dict[int, asyncpg.Record]] = field(init=False)  # by the number of the call
    # Whether each call can run again without the others: there are several, and PostgreSQL runs none of them now. It
    # counts only if the batch failed, and was therefore rolled back.
    can_run_singly: bool = False


class Pool:
    """At most DATABASE_POOL_SIZE connections, opened when they are needed, so the service starts without a database.

    The connection that was used last is used next, because its statements are prepared. If no connection is free, the
    caller waits in a queue. If DATABASE_POOL_QUEUE callers wait already, acquiring raises TimeoutError. The wait, the
    connecting and the first statement share one deadline: DATABASE_STATEMENT_TIMEOUT and TIMEOUT_MARGIN.

    When a connection is lost, the pool also closes the idle ones, so no other caller has to find out.
    """

    def __init__(self, settings: Settings, name: str = "requests") -> None:
        self._settings = settings
        self._label = (name,)
        self._timeout = settings.database_statement_timeout + TIMEOUT_MARGIN
        self._urls: list[str] = []  # one for each host, the last one that was connected to first; empty until needed
        # Free places: an idle connection, or None for a connection that is not open yet. The Nones are on the left.
        self._free: deque[Connection | None] = deque([None] * settings.database_pool_size)
        self._for_store = asyncio.Semaphore(max(1, settings.database_pool_size // 2))
        self._waiting_for_store = 0
        self._closed = False
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._closing: set[asyncio.Task[None]] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._batches: dict[str, Batch] = {}  # by statement: calls of this turn of the event loop

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the idle connections. Each connection in use is closed when its caller releases it."""
        for connection in self._free:
            if connection is not None:
                self._close(connection)
        self._free.clear()
        self._closed = True
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSE_TIMEOUT)

    async def fetch(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        """Return the rows of sql/queries/NAME.sql, on any connection."""
        connection = await self._acquire()
        try:
            return await connection.fetch(name, *arguments)
        finally:
            self._release(connection)

    async def fetchrow(self, name: str, *arguments: object) -> asyncpg.Record | None:
        """Return the only row of sql/queries/NAME.sql, on any connection, or None if there is none."""
        rows = await self.fetch(name, *arguments)
        return rows[0] if rows else None

    async def fetch_by_id(
        self, name: str, id: UUID, *arguments: object, changes: bool = False
    ) -> asyncpg.Record | None:
        """Return the only row of sql/queries/NAME.sql for an ID, or None if there is none.

        Calls of the same turn of the event loop go out as one message. No call waits for others to come. Under load,
        much of the work is waking each other up, in PostgreSQL too, and a batch saves it. The statement's $2 is the
        number of the call, and comes back with the row.

        A batch is one transaction, in the order of the IDs, so two batches cannot deadlock. If a batch fails, each call
        runs again without the others, so no caller gets another caller's error. After a time-out, only changes run
        again: they may have waited for the lock of one row, but reads wait only for the lock of the table.
        """
        batch = self._batches.get(name)
        if batch is None or len(batch.calls) == BATCH_SIZE:
            batch = self._batches[name] = Batch([])
            batch.rows = asyncio.create_task(self._fetch_batch(name, batch), context=Context())
        number, started = len(batch.calls), perf_counter()
        batch.calls.append((id, number, *arguments))
        try:
            rows = await asyncio.shield(batch.rows)  # a caller that is canceled does not cancel the batch
        except asyncpg.PostgresError as error:
            if not batch.can_run_singly or (isinstance(error, asyncpg.QueryCanceledError) and not changes):
                raise
            return await self.fetchrow(name, id, number, *arguments)
        finally:
            add_to_request(name, perf_counter() - started)
        return rows.get(number)

    async def _fetch_batch(self, name: str, batch: Batch) -> dict[int, asyncpg.Record]:
        """Run a batch and return its rows by number. It starts in the next turn, when the batch is complete."""
        if self._batches[name] is batch:
            del self._batches[name]
        connection = await self._acquire()
        calls = sorted(batch.calls, key=_place)
        try:
            rows = await connection.fetchmany(name, calls)
        finally:
            batch.can_run_singly = len(batch.calls) > 1 and connection.is_reusable()
            self._release(connection)
        return {row["number"]: row for row in rows}

    @asynccontextmanager
    async def connection(self, deadline: float | None = None) -> AsyncIterator[Connection]:
        """Acquire a connection for several statements. The first one must end by `deadline`, of time.monotonic()."""
        connection = await self._acquire(deadline)
        try:
            yield connection
        finally:
            self._release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Acquire a connection and run a transaction: commit at the end, roll back on an error."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def store_transaction(self) -> AsyncIterator[Connection]:
        """Run a transaction that waits for the object store, as it does with `lock_content`.

        Such transactions hold at most half of the connections, so a slow store leaves the others to the reads. A caller
        that waits for its turn holds no connection. It raises TimeoutError like a caller that waits for a connection.
        """
        if self._for_store.locked():
            if self._waiting_for_store >= self._settings.database_pool_queue:
                raise TimeoutError("no connection was free for the object store, and the queue is full")
            self._waiting_for_store += 1
            try:
                async with asyncio.timeout(self._timeout):
                    await self._for_store.acquire()
            except TimeoutError:
                raise TimeoutError("no connection was free for the object store") from None
            finally:
                self._waiting_for_store -= 1
        else:
            await self._for_store.acquire()
        try:
            async with self.transaction() as connection:
                yield connection
        finally:
            self._for_store.release()

    @asynccontextmanager
    async def exclusive(self, key: str) -> AsyncIterator[bool]:
        """Run one caller at a time for a key in this process, and yield whether this caller had to wait.

        A caller that waits here holds no connection. A caller that waits for a lock of PostgreSQL holds one.
        """
        lock = self._locks.setdefault(key, asyncio.Lock())
        waited = lock.locked()
        async with lock:
            yield waited

    def connections(self) -> metrics.Connections:
        """Return how many connections are used and idle, the size of the pool, and the length of its queue."""
        used = self._settings.database_pool_size - len(self._free)
        idle = sum(place is not None for place in self._free)
        return metrics.Connections(used, idle, self._settings.database_pool_size, len(self._waiting))

    async def _acquire(self, deadline: float | None = None) -> Connection:
        started = perf_counter()
        deadline = deadline or monotonic() + self._timeout
        try:
            connection = self._free.pop() if self._free else await self._wait(deadline)
            if connection is None or not connection.is_reusable():
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
            raise TimeoutError("no connection was free, and the queue is full")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_later(deadline - monotonic(), _time_out, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # a connection and the cancellation came at once
                self._release(waiter.result())
            raise
        finally:
            timer.cancel()

    def _release(self, connection: Connection | None) -> None:
        if connection is not None and self._closed:
            connection.driver.terminate()
            return
        if connection is not None and not connection.is_reusable():
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
        """Close a connection in the background. PostgreSQL first gets a request to cancel its statement."""
        task = asyncio.create_task(_close(connection.driver, self._settings.database_statement_timeout))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _connect(self, deadline: float) -> Connection:
        """Open a connection.

        Behind a pooler, each transaction sets the session's settings instead: sql/pooler/begin.sql.
        """
        if not self._urls:
            self._urls = asyncpg_urls(connectable(self._settings.database_url))
        limit = f"{self._settings.database_statement_timeout * 1000:.0f}"  # milliseconds
        pooled = self._settings.database_pooler == "transaction"
        session = SESSION | {"statement_timeout": limit}
        try:
            driver, url = await connect(
                self._urls,
                deadline - monotonic(),
                command_timeout=self._timeout,
                server_settings={"application_name": application_name()} | ({} if pooled else session),
                **({"statement_cache_size": 0} if pooled else {}),  # so asyncpg gives no statement a name
            )
        except asyncpg.ProtocolViolationError as error:
            if "startup parameter" in str(error):  # PgBouncer rejects those that it would lose
                raise PoolerError from None
            raise
        if pooled:
            begin = statement("begin", "pooler").replace(":statement_timeout", f"'{limit}'")
            return Connection(driver, url, self._timeout, begin)
        await reject_pooler(driver, deadline - monotonic())
        return Connection(driver, url, self._timeout)


def _place(call: Call) -> int:
    """Return the place of a call in the order of the IDs. Python compares their numbers faster than the UUIDs."""
    return call[0].int


def _time_out(waiter: asyncio.Future[Connection | None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("no connection was free"))


async def _close(connection: asyncpg.Connection[asyncpg.Record], timeout: float) -> None:  # noqa: ASYNC109
    try:
        await connection.close(timeout=timeout)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        connection.terminate()
