"""Imports and exports of a worker: a fair queue for their slots, and the end of slow exports that others wait for."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from starlette.types import Message, Send

from app.fair_slots import Slots

TRANSFERS = 2  # at the same time in a worker: each holds a connection until it ends
CLIENT_TIME = 30.0  # seconds that an export may wait for its client while another token waits for a slot
MIN_RATE = 256 * 1024  # bytes per second: each so many bytes add a second
MAX_CLIENT_TIME = 600.0  # seconds


class Export:
    """A running export: how long it has waited for its client, and how many bytes the client has taken."""

    def __init__(self, limit: asyncio.Timeout) -> None:
        self._limit = limit
        self._clock = asyncio.get_running_loop().time
        self._sent = 0  # bytes
        self._waited = 0.0  # seconds
        self._waits_since: float | None = None

    def measured(self, send: Send) -> Send:
        """Return `send` with a clock: while it runs, the export waits for its client."""

        async def send_measured(message: Message) -> None:
            self._waits_since = begun = self._clock()
            try:
                await send(message)
            finally:
                self._waited += self._clock() - begun
                self._waits_since = None
            self._sent += len(message.get("body", b""))

        return send_measured

    def lateness(self) -> float:
        """Return by how many seconds it has waited too long for its client. The number is negative if it has not."""
        waits = 0.0 if self._waits_since is None else self._clock() - self._waits_since
        return self._waited + waits - min(MAX_CLIENT_TIME, CLIENT_TIME + self._sent / MIN_RATE)

    def end(self) -> None:
        """Raise TimeoutError in it."""
        self._limit.reschedule(self._clock())


class Transfers:
    """Slots for imports and exports. One token has at most half of them.

    A client that reads slowly could hold a slot for an hour. It may, until another token waits for a slot.
    """

    def __init__(self) -> None:
        self._slots = Slots(TRANSFERS, TRANSFERS // 2)
        self._exports: set[Export] = set()

    @asynccontextmanager
    async def slot(self, token: Hashable, deadline: float) -> AsyncIterator[None]:
        """Hold a slot. If no slot is free before `deadline`, of the event loop's time, raise BusyError."""
        making_room = asyncio.get_running_loop().call_soon(self._make_room, token)
        async with self._slots.slot(token, deadline):
            making_room.cancel()  # it has not run if a slot was free
            yield

    @asynccontextmanager
    async def export(self, seconds: float) -> AsyncIterator[Export]:
        """Run an export, which holds a slot. Raise TimeoutError after so many seconds, or if it has to make room."""
        async with asyncio.timeout(seconds) as limit:
            export = Export(limit)
            self._exports.add(export)
            try:
                yield export
            finally:
                self._exports.discard(export)

    def _make_room(self, token: Hashable) -> None:
        """End the export that is latest, if there is one, and if the token would get its slot."""
        latest = max(self._exports, key=Export.lateness, default=None)
        if latest is not None and latest.lateness() > 0 and self._slots.may_hold(token):
            self._exports.discard(latest)
            latest.end()
