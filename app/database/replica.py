"""Statements that only read: they may be made twice, and where READ_DATABASE_URL says so on a replica.

What a client reads is never older than what was acknowledged, to anybody, before it asked: as in Raft's ReadIndex the
primary is asked how far its log has come, and the replica has to have replayed that much. No cookie, no clock, no state
that the workers would share. Only while the primary does not answer the replica is read as it stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Self, TypeVar
from uuid import UUID

import asyncpg

from app.database.connection import Connection
from app.database.errors import BEHIND, LOST, UNAVAILABLE
from app.database.pool import MARGIN, Pool
from app.observability.logs import logger
from app.settings import Settings
from app.single_flight import SingleFlight

if TYPE_CHECKING:  # asyncpg's classes are generic in its stubs alone
    from asyncpg import Record

PAUSES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)  # seconds between two looks at how far the replica has come
AVOIDED = 1.0  # seconds that nobody asks a replica which has failed, or is too far behind
DOUBTED = 0.05  # seconds in which a primary that did not answer has to answer the next question


T = TypeVar("T")


class Reads:
    """Without a replica all of it goes to the primary's pool. With one, lists go to the replica; what is found by its
    id goes to the primary, since the question would cost as much as the answer, and to the replica when that fails."""

    def __init__(self, settings: Settings, primary: Pool) -> None:
        self._primary = primary
        self._replica: Pool | None = None
        timeout = settings.database_statement_timeout
        self._timeout = timeout + MARGIN
        self._patience = max(
            timeout / 5, 0.5
        )  # for the question, which takes no lock: longer, and the primary is taken for dead
        if settings.read_database_url is not None:
            self._replica = Pool(settings.model_copy(update={"database_url": settings.read_database_url}), "replica")
        # A connection of its own, so that the question does not wait for others' statements.
        asking = {"database_pool_size": 1, "database_statement_timeout": self._patience}
        self._questions = Pool(settings.model_copy(update=asking), "questions")
        self._turn = asyncio.Lock()
        self._flight: SingleFlight[str, Record] = SingleFlight()
        self._away = False  # the primary has not answered
        self._avoided = 0.0  # until when the replica is; 0 after it was of use

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._flight.cancel()
        await self._questions.__aexit__()
        if self._replica is not None:
            await self._replica.__aexit__()

    async def fetch(self, name: str, *arguments: object) -> list[Record]:
        """The rows of sql/queries/NAME.sql."""
        return await self.run(lambda connection: connection.fetch(name, *arguments))

    async def fetchrow(self, name: str, *arguments: object) -> Record | None:
        """The only row of sql/queries/NAME.sql, from the primary where it answers; None where there is none."""
        return await self._current(
            lambda: self._primary.fetchrow(name, *arguments),
            lambda connection: connection.fetchrow(name, *arguments),
        )

    async def fetch_by_id(self, name: str, id: UUID, *arguments: object) -> Record | None:
        """As `Pool.fetch_by_id`, from the primary where it answers."""
        return await self._current(
            lambda: self._primary.fetch_by_id(name, id, *arguments),
            lambda connection: connection.fetchrow(name, id, 0, *arguments),
        )

    @property
    def pools(self) -> dict[str, Pool]:
        """Those that are its own, by name, for /metrics."""
        return {"replica": self._replica, "questions": self._questions} if self._replica is not None else {}

    @property
    def primary_answers(self) -> bool:
        """As of the last question; yes where nobody asks."""
        return not self._away

    async def run(
        self,
        read: Callable[[Connection], Awaitable[T]],
        *,
        again: Callable[[], bool] = lambda: True,
        deadline: float | None = None,
    ) -> T:
        """What `read` makes of a connection. It is called once more, with another one, while `again` allows it."""
        deadline = deadline or monotonic() + self._timeout
        if self._replica is not None and self._avoided < monotonic():
            if self._avoided:
                self._avoided = monotonic() + AVOIDED  # one looks whether it is back
            position = await self._position()
            try:
                limit = deadline if position is None else min(deadline, monotonic() + self._patience)
                async with self._replica.connection(limit) as connection:
                    if position is None or await _has_replayed(connection, position):
                        self._avoided = 0.0
                        connection.deadline = deadline
                        return await read(connection)
                logger.warning("the replica is behind, or none of this primary: it is not read")
            except (*UNAVAILABLE, *BEHIND) as error:
                if not again():
                    raise
                logger.warning("the replica cannot be read: %s: %s", type(error).__name__, error)
            self._avoided = monotonic() + AVOIDED
        try:
            async with self._primary.connection(deadline) as connection:
                return await read(connection)
        except LOST:
            if not again():
                raise
        async with self._primary.connection(deadline) as connection:
            return await read(connection)

    async def _current(self, read: Callable[[], Awaitable[T]], elsewhere: Callable[[Connection], Awaitable[T]]) -> T:
        if self._replica is None:
            try:
                return await read()
            except LOST:
                return await read()
        deadline = monotonic() + self._timeout
        if not self._away:
            with suppress(*UNAVAILABLE):
                async with asyncio.timeout(self._timeout / 2):
                    return await read()
        return await self.run(elsewhere, deadline=deadline)

    async def _position(self) -> Record | None:
        """How far the primary's log has come by now, or later; None where it does not say.

        One question is under way at a time. Callers that come meanwhile share the next one.
        """
        try:
            async with asyncio.timeout(DOUBTED if self._away else self._patience):
                position = await self._flight.share("position", self._ask)
        except (*UNAVAILABLE, asyncpg.ObjectNotInPrerequisiteStateError) as error:  # the latter from a standby
            if not self._away:
                logger.warning("the primary does not answer: %s: %s", type(error).__name__, error)
            self._away = True
            return None
        if self._away:
            logger.warning("the primary answers again")
        self._away = False
        return position

    async def _ask(self) -> Record:
        async with self._turn:
            self._flight.close_to_newcomers("position")
            [row] = await self._questions.fetch("read_position")
            return row


async def _has_replayed(connection: Connection, position: Record) -> bool:
    for pause in (*PAUSES, None):
        [row] = await connection.fetch("has_replayed", *position)
        if pause is None or row["replayed"] or not row["follows"]:
            return bool(row["replayed"] and row["follows"])
        await asyncio.sleep(pause)
    raise AssertionError
