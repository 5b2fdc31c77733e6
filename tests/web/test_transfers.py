"""Imports and exports at the same time: a slow export keeps its slot until another token waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from starlette.types import Message

from app.errors import BusyError
from app.web import transfers
from app.web.transfers import Transfers

SOON = 0.05  # seconds


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An export is late as soon as its client takes fewer than a thousand bytes in a second."""
    monkeypatch.setattr(transfers, "CLIENT_TIME", 0.0)
    monkeypatch.setattr(transfers, "MIN_RATE", 1000)


class Client:
    """A client of an export. It takes the first bytes, and then nothing."""

    def __init__(self, own: Transfers, token: str, first: int = 0) -> None:
        self.is_running = asyncio.Event()
        self._first = first
        self.task = asyncio.create_task(self._export(own, token))

    async def _export(self, own: Transfers, token: str) -> None:
        async with own.slot(token, asyncio.get_running_loop().time() + 10), own.export(60) as export:
            send = export.measured(self._take)
            await send({"type": "http.response.body", "body": bytes(self._first)})
            await send({"type": "http.response.body", "body": b"x"})

    async def _take(self, message: Message) -> None:
        if message["body"] == b"x":
            self.is_running.set()
            await asyncio.Event().wait()

    async def has_ended(self) -> bool:
        """Whether the service has ended it, after the tasks that can run have run."""
        await asyncio.sleep(SOON)
        return self.task.done() and isinstance(self.task.exception(), TimeoutError)


@asynccontextmanager
async def running(own: Transfers, *clients: tuple[str, int]) -> AsyncIterator[list[Client]]:
    started = [Client(own, *client) for client in clients]
    for client in started:
        await client.is_running.wait()
    await asyncio.sleep(0.001)  # the export is late by now
    yield started
    for client in started:
        client.task.cancel()
    await asyncio.gather(*(client.task for client in started), return_exceptions=True)


async def gets_a_slot(own: Transfers, token: str) -> bool:
    try:
        async with own.slot(token, asyncio.get_running_loop().time() + SOON):
            return True
    except BusyError:
        return False


async def test_a_slow_export_runs_while_nobody_waits() -> None:
    own = Transfers()
    async with running(own, ("a", 0)) as [slow]:
        assert await gets_a_slot(own, "b")
        assert not await slow.has_ended()


async def test_the_slowest_export_makes_room_for_another_token() -> None:
    own = Transfers()
    async with running(own, ("a", 0), ("b", 10**9)) as [slow, fast]:
        assert await gets_a_slot(own, "c")
        assert await slow.has_ended()
        assert not await fast.has_ended()


async def test_no_export_makes_room_if_all_are_fast() -> None:
    own = Transfers()
    async with running(own, ("a", 10**9), ("b", 10**9)) as clients:
        assert not await gets_a_slot(own, "c")
        assert [await client.has_ended() for client in clients] == [False, False]


async def test_a_fast_export_has_no_more_than_the_longest_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "MAX_CLIENT_TIME", 0.0)
    own = Transfers()
    async with running(own, ("a", 10**9), ("b", 10**9)):
        assert await gets_a_slot(own, "c")


async def test_no_export_makes_room_for_a_token_that_has_its_share() -> None:
    own = Transfers()
    async with running(own, ("a", 0), ("b", 0)) as clients:
        assert not await gets_a_slot(own, "a")
        assert [await client.has_ended() for client in clients] == [False, False]


async def test_the_slot_of_an_export_that_made_room_does_not_return_to_its_token() -> None:
    """Its token may have asked for another one before the token that waits now."""
    own = Transfers()
    async with AsyncExitStack() as held, running(own, ("a", 0)) as [slow]:
        await held.enter_async_context(own.slot("b", 0))  # an import, which is never late
        again = Client(own, "a")
        await asyncio.sleep(0)

        assert await gets_a_slot(own, "c")

        assert await slow.has_ended()
        again.task.cancel()
        await asyncio.gather(again.task, return_exceptions=True)
