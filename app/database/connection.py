"""Database connection: asyncpg's, with the statements of sql/queries/ prepared, time limits, and transactions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from time import monotonic, perf_counter
from typing import Any

import asyncpg
from asyncpg.exceptions import InvalidCachedStatementError, OutdatedSchemaCacheError
from asyncpg.prepared_stmt import PreparedStatement

from app.database.connect import application_name, connect
from app.observability.query_timings import record_query
from app.schema.statements import statement

# Seconds, 30 days. The reader or the sender ends a copy earlier, or PostgreSQL's death does.
COPY_TIMEOUT = 30 * 86_400.0


class Connection:
    """A connection with prepared statements, each found by the name of its file in sql/queries/.

    A statement may take `timeout` seconds. If `deadline` is set, the next statement must end by it instead: a value of
    time.monotonic().

    Behind a pooler, two transactions may be two sessions. There `begin` is the statement that begins a transaction, and
    every statement runs in one. No prepared statement is kept, because its types would outlive a change of the schema.
    """

    def __init__(
        self,
        connection: asyncpg.Connection[asyncpg.Record],
        url: str,
        timeout: float,
        begin: str | None = None,
    ) -> None:
        self.driver = connection
        self.url = url
        self.deadline: float | None = None
        self.interrupted = False  # the last statement did not end, and PostgreSQL may still run it
        self.lost = False  # the server is gone, frozen, or no longer a primary
        self._begin = begin
        self._timeout = timeout
        self._statements: dict[str, PreparedStatement[asyncpg.Record]] = {}

    async def fetch(self, name: str, *arguments: object, timeout: float | None = None) -> list[asyncpg.Record]:  # noqa: ASYNC109
        """Return the rows of sql/queries/NAME.sql. If `timeout` is given, it replaces the connection's time limit."""
        return await self._run(name, lambda prepared, left: prepared.fetch(*arguments, timeout=left), timeout)

    async def fetchmany(self, name: str, calls: Sequence[Sequence[object]]) -> list[asyncpg.Record]:
        """Return the rows of all calls of sql/queries/NAME.sql. They are one message and one transaction."""
        return await self._run(name, lambda prepared, left: prepared.fetchmany(calls, timeout=left))

    async def fetchrow(self, name: str, *arguments: object) -> asyncpg.Record | None:
        """Return the only row of sql/queries/NAME.sql, or None if there is none."""
        rows = await self.fetch(name, *arguments)
        return rows[0] if rows else None

    async def _run(
        self,
        name: str,
        call: Callable[[PreparedStatement[asyncpg.Record], float], Coroutine[Any, Any, list[asyncpg.Record]]],
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> list[asyncpg.Record]:
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
                # A migration has changed a table of a prepared statement. The statement did nothing: prepare it again.
                self._statements.clear()
                if self.driver.is_in_transaction():
                    raise
                return await call(await self._prepare(name, deadline), deadline - monotonic())
        except BaseException as error:
            failure = error
            self._note_failure(error)
            raise
        finally:
            record_query(name, started, failure)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Run a transaction: commit at the end, roll back on an error."""
        await self._control(self._begin or "BEGIN")
        try:
            yield
        except BaseException:
            # A connection that cannot be used again is closed, which rolls back too.
            if not (self.interrupted or self.lost or self.driver.is_closed()):
                await self._control("ROLLBACK")
            raise
        await self._control("COMMIT")

    async def _control(self, text: str) -> None:
        try:
            await self.driver.execute(text, timeout=self._take_deadline() - monotonic())
        except BaseException as error:
            self._note_failure(error)
            raise

    @asynccontextmanager
    async def without_time_limit(self) -> AsyncIterator[None]:
        """Watch the server while statements without a time limit run.

        Every `timeout` seconds, try a new connection to the server. If that fails, close this connection.
        """
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._timeout)
            try:
                other, _ = await connect(
                    [self.url], self._timeout, server_settings={"application_name": application_name()}
                )
                await other.close(timeout=self._timeout)
            except OSError:
                self.lost = True
                self.driver.terminate()
                return
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                pass  # The server answers.

    async def copy_out(self, name: str, write: Callable[[bytes], Coroutine[None, None, None]]) -> None:
        """Pass the one column of sql/queries/NAME.sql to `write` by COPY, a line for each row.

        The text format would double each backslash. CSV leaves a value as it is if it holds neither the quote nor the
        delimiter. JSON holds neither \\x01 nor \\x02: it writes them as \\u0001 and \\u0002.
        """
        query = statement(name).rstrip().removesuffix(";")
        started, failure = perf_counter(), None
        try:
            await self.driver.copy_from_query(
                query, output=write, format="csv", delimiter="\x01", quote="\x02", timeout=COPY_TIMEOUT
            )
        except BaseException as error:
            failure = error
            self._note_failure(error)
            if self.interrupted and not isinstance(error, asyncio.CancelledError):
                # `write` has failed. asyncpg would wait for the answer to its cancel request, which never comes if
                # PostgreSQL had sent everything.
                self.driver.terminate()
            raise
        finally:
            record_query(name, started, failure)

    async def copy_in(self, table: str, columns: Sequence[str], records: Sequence[Sequence[object]]) -> None:
        """Write the records into the columns of the table by COPY."""
        started, failure = perf_counter(), None
        try:
            await self.driver.copy_records_to_table(table, columns=columns, records=records, timeout=COPY_TIMEOUT)
        except BaseException as error:
            failure = error
            self._note_failure(error)
            raise
        finally:
            record_query(f"copy_{table}", started, failure)

    def _note_failure(self, error: BaseException) -> None:
        """Note whether the connection can be used again.

        After most errors of PostgreSQL it can. It cannot if the error ended the session, or if a former primary sent
        it. After any other error, such as a time-out or a cancellation, PostgreSQL may still run the statement.
        """
        if isinstance(error, asyncpg.PostgresError):
            last = error.severity_en != "ERROR"  # FATAL, or the driver's own error for a closed connection
            self.lost = self.lost or last or isinstance(error, asyncpg.ReadOnlySQLTransactionError)
        else:
            self.lost = self.lost or isinstance(error, OSError)
            self.interrupted = True

    def _take_deadline(self) -> float:
        deadline, self.deadline = self.deadline, None
        return deadline or monotonic() + self._timeout

    async def _prepare(self, name: str, deadline: float) -> PreparedStatement[asyncpg.Record]:
        prepared = await self.driver.prepare(statement(name), timeout=deadline - monotonic())
        if self._begin is None:
            self._statements[name] = prepared
        return prepared

    def is_reusable(self) -> bool:
        """Return whether the next caller may have it. No reset is necessary: no statement changes the session."""
        return not (self.interrupted or self.lost or self.driver.is_closed() or self.driver.is_in_transaction())
