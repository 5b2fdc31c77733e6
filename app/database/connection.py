"""app.database.connection: to be described."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg.exceptions import InvalidCachedStatementError, OutdatedSchemaCacheError

from app.observability import queries

if TYPE_CHECKING:  # asyncpg's classes are generic in its stubs alone
    from asyncpg.prepared_stmt import PreparedStatement

    from app.database.connect import Record

    Statement = PreparedStatement[Record]
from app.database.connect import connect
from app.schema.statements import statement

ENDLESS = 30 * 86_400.0  # seconds: who copies is stopped by the one who reads or sends, or by PostgreSQL's death


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
            queries.query(name, started, failure)

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
            queries.query(name, started, failure)

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
            queries.query(f"copy_{table}", started, failure)

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
