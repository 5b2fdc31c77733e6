"""The application's connections to PostgreSQL: a stack of them, each with the statements of sql/queries/ prepared."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, field
from functools import cache
from time import monotonic, perf_counter
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
FAREWELL = 1.0  # seconds that PostgreSQL has at the end; what is open then the end of the process closes
ENDLESS = 30 * 86_400.0  # seconds: who copies is stopped by the one who reads or sends, or by PostgreSQL's death
MARGIN = 0.5  # seconds more than the statement timeout: PostgreSQL's own word that it is over comes first

# After these another host of the URL may do better.
ELSEWHERE = (
    OSError,  # no answer in time, too
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.TargetServerAttributeNotMatched,
)

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


def asyncpg_urls(url: str) -> list[str]:
    """The same for each host of the URL by itself. Raises ValueError where it has other than a port for each.

    Given all of them, asyncpg would wait for one that is frozen until no time is left for the others. Only for which
    standby is preferred to a primary it has to know them all.
    """
    parts = split_url(asyncpg_url(url))
    options = dict(parse_qsl(parts.query))
    user, at, places = parts.netloc.rpartition("@")
    lists = [places.split(","), *(options.get(name, "").split(",") for name in ("host", "port"))]
    count = max(map(len, lists))
    if count == 1 or options.get("target_session_attrs") == "prefer-standby":
        return [parts.geturl()]
    if any(len(named) not in (1, count) for named in lists):
        raise ValueError("the URL has not as many ports as hosts")
    urls = []
    for place, host, port in zip(*(named * count if len(named) == 1 else named for named in lists), strict=False):
        own = options | ({"host": host} if host else {}) | ({"port": port} if port else {})
        urls.append(f"postgresql://{user}{at}{place}{parts.path}?{urlencode(own)}")
    return urls


async def connect(urls: list[str], timeout: float, **options: Any) -> tuple[asyncpg.Connection[Record], str]:  # noqa: ASYNC109
    """A connection to the first host that is there and is what target_session_attrs asks for, and its URL.

    Each has an equal share of the time that is left. The one that was found goes to the front of `urls`: the next
    connection does not wait again for one that is frozen.
    """
    deadline = monotonic() + timeout
    failed: Exception | None = None
    for left, url in zip(range(len(urls), 0, -1), tuple(urls), strict=True):
        try:
            connection = await asyncpg.connect(url, timeout=(deadline - monotonic()) / left, **options)
        except ELSEWHERE as error:
            failed = error
            continue
        urls.remove(url)
        urls.insert(0, url)
        return connection, url
    assert failed is not None
    raise failed


@cache
def statement(name: str, folder: str = "queries") -> str:
    """The text of sql/FOLDER/NAME.sql, as PostgreSQL gets it and shows it in pg_stat_activity: header and all. A name
    may have its folder with it, as inspect/schema."""
    path = name if "/" in name else f"{folder}/{name}"
    return (ROOT / "sql" / f"{path}.sql").read_text(encoding="utf-8")


class PoolerError(asyncpg.InterfaceError):
    """A pooler is between here and PostgreSQL, and no setting says so."""

    def __init__(self) -> None:
        super().__init__(
            "this connection goes through a pooler: set DATABASE_POOLER=transaction, and MIGRATION_DATABASE_URL to "
            "PostgreSQL itself"
        )


async def refuse_pooler(driver: asyncpg.Connection[Record], timeout: float) -> None:  # noqa: ASYNC109
    """Raises PoolerError where the process that PostgreSQL has for us is not the one that it named when we connected:
    a pooler names one of its own, and may give each statement to another. COPY is one message, and prepares nothing."""
    answer: list[bytes] = []

    async def keep(chunk: bytes) -> None:
        answer.append(chunk)

    try:
        await driver.copy_from_query(
            statement("find_process", "pooler").rstrip().removesuffix(";"), output=keep, timeout=timeout
        )
        if int(b"".join(answer)) != driver.get_server_pid():
            raise PoolerError
    except BaseException:
        driver.terminate()
        raise


class Connection:
    """A connection, and each statement that it has run so far, prepared: found again by the name of its file.

    A statement may take `timeout` seconds; the first one after `deadline` was set, until then.

    Behind a pooler two transactions may be two sessions. There `begin` is given and begins each of them; no statement
    is outside, and each is prepared anew, without a name: what were kept of one, its types, would outlive their change.
    """

    def __init__(
        self, connection: asyncpg.Connection[Record], url: str, timeout: float, begin: str | None = None
    ) -> None:
        self.driver = connection
        self.url = url
        self.deadline: float | None = None
        self._begin = begin
        self.spoilt = False
        self.lost = False  # its server is gone, frozen, or no longer the one for it
        self._timeout = timeout
        self._statements: dict[str, Statement] = {}

    async def fetch(self, name: str, *arguments: object, timeout: float | None = None) -> list[Record]:  # noqa: ASYNC109
        """The rows of sql/queries/NAME.sql, in `timeout` seconds where that is given."""
        return await self._run(name, lambda prepared, left: prepared.fetch(*arguments, timeout=left), timeout)

    async def fetchmany(self, name: str, calls: Sequence[Sequence[object]]) -> list[Record]:
        """The rows of all calls of sql/queries/NAME.sql, which go out as one message and are one transaction."""
        return await self._run(name, lambda prepared, left: prepared.fetchmany(calls, timeout=left))

    async def _run(
        self,
        name: str,
        call: Callable[[Statement, float], Coroutine[Any, Any, list[Record]]],
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> list[Record]:
        deadline = self._take_deadline() if timeout is None else monotonic() + timeout
        if self._begin is not None and not self.driver.is_in_transaction():
            self.deadline = deadline
            async with self.transaction():
                return await self._run(name, call, deadline - monotonic())
        started, failure = perf_counter(), None
        try:
            try:
                prepared = self._statements.get(name) or await self._prepare(name, deadline)
                return await call(prepared, deadline - monotonic())
            except (InvalidCachedStatementError, OutdatedSchemaCacheError):
                # A migration has changed a table under the statements: they are prepared anew, and nothing was done.
                self._statements.clear()
                if self.driver.is_in_transaction():
                    raise
                return await call(await self._prepare(name, deadline), deadline - monotonic())
        except BaseException as error:
            failure = error
            self._judge(error)
            raise
        finally:
            watch.query(name, started, failure)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Committed at the end, rolled back on an error."""
        await self._control(self._begin or "BEGIN")
        try:
            yield
        except BaseException:
            if not (self.spoilt or self.lost or self.driver.is_closed()):  # or it will be closed, which does it too
                await self._control("ROLLBACK")
            raise
        await self._control("COMMIT")

    async def _control(self, text: str) -> None:
        try:
            await self.driver.execute(text, timeout=self._take_deadline() - monotonic())
        except BaseException as error:
            self._judge(error)
            raise

    async def fetchrow(self, name: str, *arguments: object) -> Record | None:
        """The only row of sql/queries/NAME.sql; None where there is none."""
        rows = await self.fetch(name, *arguments)
        return rows[0] if rows else None

    @asynccontextmanager
    async def without_limit(self) -> AsyncIterator[None]:
        """For statements that may take any time: when the server takes no other connection in time, this one ends."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._timeout)
            try:
                other, _ = await connect([self.url], self._timeout, server_settings={"application_name": "images"})
                await other.close(timeout=self._timeout)
            except OSError:
                self.lost = True
                self.driver.terminate()
                return
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                pass  # that is an answer too

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
        """After an answer of PostgreSQL the connection is as good as before, but for its last one, and for that of a
        former primary. After anything else, a time-out, a client that went away, PostgreSQL may still be at it."""
        if isinstance(error, asyncpg.PostgresError):
            last = error.severity_en != "ERROR"  # FATAL, or the driver's own word that there was no answer
            self.lost = self.lost or last or isinstance(error, asyncpg.ReadOnlySQLTransactionError)
        else:
            self.lost = self.lost or isinstance(error, OSError)
            self.spoilt = True

    def _take_deadline(self) -> float:
        deadline, self.deadline = self.deadline, None
        return deadline or monotonic() + self._timeout

    async def _prepare(self, name: str, deadline: float) -> Statement:
        prepared = await self.driver.prepare(statement(name), timeout=deadline - monotonic())
        if self._begin is None:
            self._statements[name] = prepared
        return prepared

    def is_fit(self) -> bool:
        """Whether the next one may have it: nothing of the last one is left, since no statement changes the session."""
        return not (self.spoilt or self.lost or self.driver.is_closed() or self.driver.is_in_transaction())


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
        tests/test_plans.py holds that a plan for just these parameters is no better. What PostgreSQL's compiler (jit)
        gains for long queries it loses here.
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
