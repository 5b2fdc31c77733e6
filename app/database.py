"""The application's connections to PostgreSQL: a stack of them, each with the statements of sql/queries/ prepared."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, field
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlencode
from uuid import UUID
from weakref import WeakValueDictionary

import asyncpg
from asyncpg.exceptions import InvalidCachedStatementError, OutdatedSchemaCacheError

from app import metrics, watch
from app.embedded import connectable
from app.settings import ROOT, Settings, split_url

if TYPE_CHECKING:  # asyncpg's classes are generic in its stubs alone
    from asyncpg.prepared_stmt import PreparedStatement

    Record = asyncpg.Record
    Statement = PreparedStatement[Record]

TOGETHER = 16  # calls of one statement in one message; of more, one connection would do the work of several
ENDLESS = 30 * 86_400.0  # seconds: who copies is stopped by the one who reads or sends

# What libpq, under yoyo, takes in a URL and asyncpg would send to the server as a setting of its own.
LIBPQ_ONLY = {
    "channel_binding",
    "connect_timeout",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "require_auth",
    "requiressl",
    "sslcertmode",
    "sslcompression",
    "sslsni",
    "tcp_user_timeout",
}


def asyncpg_url(url: str) -> str:
    """The URL as libpq reads it, less the options that asyncpg does not know; how long to wait is a setting."""
    parts = split_url(url)
    options = [(name, value) for name, value in parse_qsl(parts.query) if name not in LIBPQ_ONLY]
    return f"postgresql://{parts.netloc}{parts.path}?{urlencode(options)}"


@cache
def statement(name: str) -> str:
    """The text of sql/queries/NAME.sql, or of sql/FOLDER/NAME.sql where the name says so, as PostgreSQL gets it and
    shows it in pg_stat_activity: header and all."""
    return (ROOT / "sql" / (name if "/" in name else f"queries/{name}")).with_suffix(".sql").read_text(encoding="utf-8")


class Connection:
    """A connection, and each statement that it has run so far, prepared: found again by the name of its file."""

    def __init__(self, connection: asyncpg.Connection[Record]) -> None:
        self.driver = connection
        self._statements: dict[str, Statement] = {}
        self.spoilt = False

    async def fetch(self, name: str, *arguments: object, timeout: float | None = None) -> list[Record]:  # noqa: ASYNC109
        """The rows of sql/queries/NAME.sql, in twice the statement timeout or in `timeout` seconds."""
        return await self._run(name, lambda prepared: prepared.fetch(*arguments, timeout=timeout))

    async def fetchmany(self, name: str, calls: Sequence[Sequence[object]]) -> list[Record]:
        """The rows of all calls of sql/queries/NAME.sql, which go out as one message and are one transaction."""
        return await self._run(name, lambda prepared: prepared.fetchmany(calls))

    async def _run(self, name: str, call: Callable[[Statement], Coroutine[Any, Any, list[Record]]]) -> list[Record]:
        started, failure = perf_counter(), None
        try:
            try:
                return await call(self._statements.get(name) or await self._prepare(name))
            except (InvalidCachedStatementError, OutdatedSchemaCacheError):
                # A migration has changed a table under the statements: they are prepared anew, and nothing was done.
                self._statements.clear()
                if self.driver.is_in_transaction():
                    raise
                return await call(await self._prepare(name))
        except BaseException as error:
            failure = error
            self._judge(error)
            raise
        finally:
            watch.query(name, started, failure)

    async def fetchrow(self, name: str, *arguments: object) -> Record | None:
        """The only row of sql/queries/NAME.sql; None where there is none."""
        rows = await self.fetch(name, *arguments)
        return rows[0] if rows else None

    async def copy_out(self, name: str, write: Callable[[bytes], Coroutine[None, None, None]]) -> None:
        """Hand the one column of sql/queries/NAME.sql to `write`, a line for each row, by COPY.

        The text format would double each backslash. CSV is verbatim where quote and delimiter are characters that the
        value cannot hold: JSON writes both as \\u0001 and \\u0002.
        """
        query = statement(name).rstrip().removesuffix(";")
        started, failure = perf_counter(), None
        try:
            await self.driver.copy_from_query(
                query, output=write, format="csv", delimiter="\x01", quote="\x02", timeout=ENDLESS
            )
        except BaseException as error:
            failure = error
            self._judge(error)
            if self.spoilt and not isinstance(error, asyncio.CancelledError):
                # `write` has failed. asyncpg would wait for an answer to its cancelling, in vain where all had come.
                self.driver.terminate()
            raise
        finally:
            watch.query(name, started, failure)

    async def copy_in(self, table: str, columns: Sequence[str], records: Sequence[Sequence[object]]) -> None:
        """Write the records into the columns of the table, by COPY."""
        started, failure = perf_counter(), None
        try:
            await self.driver.copy_records_to_table(table, columns=columns, records=records, timeout=ENDLESS)
        except BaseException as error:
            failure = error
            self._judge(error)
            raise
        finally:
            watch.query(f"copy_{table}", started, failure)

    def _judge(self, error: BaseException) -> None:
        """After an answer of PostgreSQL the connection is as good as before. After anything else, a time-out, a client
        that went away, PostgreSQL may still be at it."""
        self.spoilt = self.spoilt or not isinstance(error, asyncpg.PostgresError)

    async def _prepare(self, name: str) -> Statement:
        self._statements[name] = await self.driver.prepare(statement(name))
        return self._statements[name]

    def is_fit(self) -> bool:
        """Whether the next one may have it: nothing of the last one is left, since no statement changes the session."""
        return not (self.spoilt or self.driver.is_closed() or self.driver.is_in_transaction())


@dataclass
class Batch:
    """Calls of one statement that go out together."""

    calls: list[tuple[UUID, int, *tuple[object, ...]]]
    rows: asyncio.Task[dict[int, Record]] = field(init=False)
    undone: bool = False  # it has failed, and nothing of it was done


class Pool:
    """At most DATABASE_POOL_SIZE connections, opened as they are needed: it also starts with no database.

    The one that was used last is used next: its statements are prepared. Who finds none waits in turn, at most for
    DATABASE_STATEMENT_TIMEOUT, and then gets TimeoutError; at once where DATABASE_POOL_QUEUE wait already. asyncpg's
    own pool has the server reset the session at each release, which costs as much as most statements here, and finds
    each statement by its text.
    """

    def __init__(self, settings: Settings, name: str = "requests") -> None:
        self._settings = settings
        self._label = (name,)
        # Free places, with the connection that is open there or none; those without lie below.
        self._free: deque[Connection | None] = deque([None] * settings.database_pool_size)
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
        await asyncio.gather(*self._closing)

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

    async def fetch_by_id(self, name: str, id: UUID, *arguments: object) -> Record | None:
        """The only row of sql/queries/NAME.sql for an id; None where there is none.

        What is asked for in the same turn of the event loop goes out as one message: alone nobody waits for company,
        and under load much of the work, PostgreSQL's too, is to wake each other up. The statement's $2 is the number of
        the call, which comes back with the row. It is one transaction, in the order of the ids, so that no two wait for
        each other in a circle. Should it fail, each call is made by itself: none answers for what another asked for.
        """
        batch = self._batches.get(name)
        if batch is None or len(batch.calls) == TOGETHER:
            batch = self._batches[name] = Batch([])
            batch.rows = asyncio.create_task(self._fetch_batch(name, batch), context=Context())
        number, started = len(batch.calls), perf_counter()
        batch.calls.append((id, number, *arguments))
        try:
            rows = await asyncio.shield(batch.rows)  # who goes away leaves the others to it
        except asyncpg.PostgresError:
            if not batch.undone:
                raise
            return await self.fetchrow(name, id, number, *arguments)
        finally:
            watch.waited(name, perf_counter() - started)
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
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for several statements."""
        connection = await self._acquire()
        try:
            yield connection
        finally:
            self._release(connection)

    @asynccontextmanager
    async def transaction(self, *, snapshot: bool = False) -> AsyncIterator[Connection]:
        """A connection within a transaction, committed at the end, rolled back on an error. With `snapshot` it only
        reads, all of it as of one moment."""
        async with self.connection() as connection:
            transaction = connection.driver.transaction(
                isolation="repeatable_read" if snapshot else None, readonly=snapshot
            )
            await transaction.start()
            try:
                yield connection
            except BaseException:
                if not connection.spoilt:  # or it will be closed, which does it too
                    await transaction.rollback()
                raise
            await transaction.commit()

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

    async def _acquire(self) -> Connection:
        started = perf_counter()
        try:
            place = self._free.pop() if self._free else await self._wait()
            if place is not None and place.is_fit():
                return place
            try:
                return await self._connect()
            except BaseException as error:
                metrics.QUERY_ERRORS.add(1, ("connect", metrics.error_of(error)))
                self._release(None)
                raise
        finally:
            metrics.ACQUIRED.observe(perf_counter() - started, self._label)

    async def _wait(self) -> Connection | None:
        if len(self._waiting) >= self._settings.database_pool_queue:
            raise TimeoutError("no connection was free, and too many wait for one")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_later(self._settings.database_statement_timeout, _give_up, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # it was given a place at the very moment it went away
                self._release(waiter.result())
            raise
        finally:
            timer.cancel()

    def _release(self, connection: Connection | None) -> None:
        if connection is not None and not connection.is_fit():
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

    def _close(self, connection: Connection) -> None:
        """In the background: PostgreSQL is first told to cancel what it may still be at."""
        task = asyncio.create_task(_close(connection.driver, self._settings.database_statement_timeout))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _connect(self) -> Connection:
        """A server that does not answer in twice the statement timeout is lost.

        Each statement has one plan for all its parameters, made once: planning would cost more than running it.
        tests/test_plans.py holds that a plan for just these parameters is no better. What PostgreSQL's compiler (jit)
        gains for long queries it loses here.
        """
        timeout = self._settings.database_statement_timeout
        return Connection(
            await asyncpg.connect(
                asyncpg_url(connectable(self._settings.database_url)),
                timeout=timeout,
                command_timeout=2 * timeout,
                server_settings={
                    "application_name": "images",
                    "jit": "off",
                    "plan_cache_mode": "force_generic_plan",
                    "statement_timeout": f"{timeout * 1000:.0f}",
                    "timezone": "UTC",
                },
            )
        )


def _give_up(waiter: asyncio.Future[Connection | None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("no connection was free"))


async def _close(connection: asyncpg.Connection[Any], timeout: float) -> None:  # noqa: ASYNC109
    try:
        await connection.close(timeout=timeout)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        connection.terminate()
