"""Read replica: route reads to READ_DATABASE_URL, and never serve a client older data than it could have seen.

Before a read on the replica, the service asks the primary how far its log has come (a read index, as in Raft). The
replica must have replayed that much. So a read sees every write that was acknowledged to any client before the read
began, without cookies, clocks, or state that workers would share. If the primary does not answer, the service reads the
replica as it is. docs/decisions/0002-read-index.md has the costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic, perf_counter
from typing import Self, TypeVar
from uuid import UUID

import asyncpg

from app.database.connection import Connection
from app.database.errors import CONNECTION_LOST, SCHEMA_BEHIND, UNAVAILABLE
from app.database.pool import TIMEOUT_MARGIN, Pool
from app.observability.context import CONTEXT
from app.observability.logs import logger
from app.observability.query_timings import add_to_request
from app.settings import Settings
from app.single_flight import SingleFlight

REPLAY_PAUSES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)  # seconds between checks of how far the replica is
REPLICA_RETRY_INTERVAL = 1.0  # seconds in which a replica that failed, or is too far behind, is not asked
DOUBTED_PRIMARY_TIMEOUT = 0.05  # seconds: a primary that did not answer must answer the next question faster


T = TypeVar("T")


class ReadRouter:
    """Route reads to the primary or to the replica, and repeat a read whose connection was lost.

    Without a replica, the primary serves all reads. With a replica, it serves lists. The primary serves reads by ID,
    because the read index would cost as much as the read. If the primary fails, the replica serves these too.
    """

    def __init__(self, settings: Settings, primary: Pool) -> None:
        self._primary = primary
        self._replica: Pool | None = None
        timeout = settings.database_statement_timeout
        self._timeout = timeout + TIMEOUT_MARGIN
        # Seconds for the read index, a query that takes no lock. If it takes longer, the primary counts as down.
        self._index_timeout = max(timeout / 5, 0.5)
        if settings.read_database_url is not None:
            self._replica = Pool(settings.model_copy(update={"database_url": settings.read_database_url}), "replica")
        # A connection of its own, so that the question does not wait for statements of requests.
        asking = {"database_pool_size": 1, "database_statement_timeout": self._index_timeout}
        self._questions = Pool(settings.model_copy(update=asking), "questions")
        self._turn = asyncio.Lock()
        self._flight: SingleFlight[str, asyncpg.Record] = SingleFlight()
        self._lists: SingleFlight[object, list[asyncpg.Record]] = SingleFlight()
        self._primary_down = False  # the primary did not answer the last question
        self._replica_avoided_until = 0.0  # of time.monotonic(), or 0 if the last read on the replica succeeded

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._flight.cancel()
        await self._lists.cancel()
        await self._questions.__aexit__()
        if self._replica is not None:
            await self._replica.__aexit__()

    async def fetch(self, name: str, *arguments: object) -> list[asyncpg.Record]:
        """Return the rows of sql/queries/NAME.sql, from the replica if there is one.

        Equal calls of the same turn of the event loop share one statement. It starts after all of them, so each caller
        sees what was committed before its call.
        """
        key = name, *(tuple(each) if isinstance(each, list) else each for each in arguments)
        started = perf_counter()
        try:
            return await self._lists.share(key, lambda: self._fetch(key, name, arguments))
        finally:
            add_to_request(name, perf_counter() - started)

    async def _fetch(self, key: object, name: str, arguments: tuple[object, ...]) -> list[asyncpg.Record]:
        self._lists.close_to_newcomers(key)
        CONTEXT.set(None)  # of no request: each caller adds the time to its own
        return await self.run(lambda connection: connection.fetch(name, *arguments))

    async def fetchrow(self, name: str, *arguments: object) -> asyncpg.Record | None:
        """Return the only row of sql/queries/NAME.sql, from the primary if it answers, or None if there is none."""
        return await self._current(
            lambda: self._primary.fetchrow(name, *arguments),
            lambda connection: connection.fetchrow(name, *arguments),
        )

    async def fetch_by_id(self, name: str, id: UUID, *arguments: object) -> asyncpg.Record | None:
        """Return what `Pool.fetch_by_id` does, from the primary if it answers."""
        if self._replica is None:
            try:
                return await self._primary.fetch_by_id(name, id, *arguments)
            except CONNECTION_LOST:
                return await self._primary.fetch_by_id(name, id, *arguments)
        return await self._current(
            lambda: self._primary.fetch_by_id(name, id, *arguments),
            lambda connection: connection.fetchrow(name, id, 0, *arguments),
        )

    @property
    def pools(self) -> dict[str, Pool]:
        """Return the router's own pools by name, for /metrics."""
        return {"replica": self._replica, "questions": self._questions} if self._replica is not None else {}

    @property
    def primary_answers(self) -> bool:
        """Return whether the primary answered the last question. Without a replica, there are no questions: True."""
        return not self._primary_down

    async def run(
        self,
        read: Callable[[Connection], Awaitable[T]],
        *,
        again: Callable[[], bool] = lambda: True,
        deadline: float | None = None,
    ) -> T:
        """Return what `read` returns for a connection.

        If the replica fails, or the primary's connection is lost, call `read` again with another connection of the
        primary. Do so only if `again` returns true, and raise the error otherwise. `deadline` is of time.monotonic().
        """
        deadline = deadline or monotonic() + self._timeout
        if self._replica is not None and self._replica_avoided_until < monotonic():
            if self._replica_avoided_until:  # only this caller tries whether the replica is back
                self._replica_avoided_until = monotonic() + REPLICA_RETRY_INTERVAL
            position = await self._position()
            is_suspect = True
            try:
                limit = deadline if position is None else min(deadline, monotonic() + self._index_timeout)
                async with self._replica.connection(limit) as connection:
                    if position is None or await _has_replayed(connection, position):
                        self._replica_avoided_until = 0.0
                        connection.deadline = deadline
                        return await read(connection)
                logger.warning("the replica is behind, or does not follow this primary: reads go to the primary")
            except (*UNAVAILABLE, *SCHEMA_BEHIND) as error:
                if not again():
                    raise
                # An internal error is one of the statement: a client can cause it with the words of a search.
                is_suspect = not isinstance(error, asyncpg.InternalServerError)
                logger.warning("the replica cannot be read: %s: %s", type(error).__name__, error)
            if is_suspect:
                self._replica_avoided_until = monotonic() + REPLICA_RETRY_INTERVAL
        try:
            async with self._primary.connection(deadline) as connection:
                return await read(connection)
        except CONNECTION_LOST:
            if not again():
                raise
        async with self._primary.connection(deadline) as connection:
            return await read(connection)

    async def _current(self, read: Callable[[], Awaitable[T]], elsewhere: Callable[[Connection], Awaitable[T]]) -> T:
        if self._replica is None:
            try:
                return await read()
            except CONNECTION_LOST:
                return await read()
        deadline = monotonic() + self._timeout
        if not self._primary_down:
            with suppress(*UNAVAILABLE):
                async with asyncio.timeout(self._timeout / 2):
                    return await read()
        return await self.run(elsewhere, deadline=deadline)

    async def _position(self) -> asyncpg.Record | None:
        """Return how far the primary's log is, now or a moment later. Return None if the primary does not answer.

        One question runs at a time. Callers that come meanwhile share the next one.
        """
        try:
            async with asyncio.timeout(DOUBTED_PRIMARY_TIMEOUT if self._primary_down else self._index_timeout):
                position = await self._flight.share("position", self._ask)
        except (*UNAVAILABLE, asyncpg.ObjectNotInPrerequisiteStateError) as error:  # the last one comes from a standby
            if not self._primary_down:
                logger.warning("the primary does not answer: %s: %s", type(error).__name__, error)
            self._primary_down = True
            return None
        if self._primary_down:
            logger.warning("the primary answers again")
        self._primary_down = False
        return position

    async def _ask(self) -> asyncpg.Record:
        async with self._turn:
            self._flight.close_to_newcomers("position")
            [row] = await self._questions.fetch("read_position")
            return row


async def _has_replayed(connection: Connection, position: asyncpg.Record) -> bool:
    """Return whether the replica follows this primary and has replayed its log up to a position.

    If the replica is behind, wait for it, 0.13 s at most.
    """
    [row] = await connection.fetch("has_replayed", *position)
    for pause in REPLAY_PAUSES:
        if row["replayed"] or not row["follows"]:
            break
        await asyncio.sleep(pause)
        [row] = await connection.fetch("has_replayed", *position)
    return bool(row["replayed"] and row["follows"])
