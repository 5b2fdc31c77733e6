"""Limits on clients: how much they may send, how slowly, and how many uploads, imports and exports run at once."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Send

from app.errors import BusyError
from app.observability.context import current_token
from app.settings import Settings
from app.web.headers import whole_number
from app.web.problems import ProblemError, unavailable
from app.web.state import State

STALL_TIMEOUT = 60.0  # seconds without progress, after which a client that does not read its answer is given up
TRANSFER_TIMEOUT = 3600.0  # seconds for an import or export: its transaction keeps VACUUM from removing dead rows
TRANSFER_WAIT = 5.0  # seconds: most exports end sooner
MIN_BODY_RATE = 16 * 1024  # bytes per second: a body at this rate or above never times out

Result = TypeVar("Result")


def require_length(request: Request[State], max_bytes: int) -> None:
    """Raise ProblemError 413 if the declared length of the body is too large."""
    declared = whole_number(request.headers.get("content-length", "0"))
    if declared is None or declared > max_bytes:
        raise too_large(max_bytes)


def limited(settings: Settings, receive: Receive, max_bytes: int) -> Receive:
    """Return `receive` for a body of at most `max_bytes` that arrives in time.

    The client has REQUEST_TIMEOUT for the body, and a second more for each MIN_BODY_RATE bytes that arrive.

    It raises ProblemError: 413 when too many bytes have arrived, and 408. Starlette has the same limit, but answers in
    plain text instead of application/problem+json. The message after the body, that the client has disconnected, may
    take any time.
    """
    clock = asyncio.get_running_loop().time
    begun: float | None = None  # when the body was first asked for: the client is not slow before that
    received = 0
    is_complete = False

    async def receive_limited() -> Message:
        nonlocal begun, received, is_complete
        if is_complete:
            return await receive()
        begun = begun or clock()
        try:
            async with asyncio.timeout_at(begun + settings.request_timeout + received / MIN_BODY_RATE):
                message = await receive()
        except TimeoutError:
            detail = "The body arrived too slowly."
            raise ProblemError(408, detail=detail, headers={"Connection": "close"}) from None
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise too_large(max_bytes)
        is_complete = not message.get("more_body", False)
        return message

    return receive_limited


async def while_connected(request: Request[State], work: Coroutine[None, None, Result]) -> Result:
    """Return the result of the work. The body is read. If the client disconnects meanwhile, cancel the work.

    A client that closes only its own direction of the connection has disconnected, too: it gets no response either.
    Raises ClientDisconnect.
    """
    working, watching = asyncio.create_task(work), asyncio.create_task(_disconnection(request))
    try:
        await asyncio.wait([working, watching], return_when=asyncio.FIRST_COMPLETED)
        if working.done() or watching.exception() is not None:
            return await working
        raise ClientDisconnect
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _disconnection(request: Request[State]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def with_stall_timeout(send: Send) -> Send:
    """Return `send` for a slow client. It raises TimeoutError if the client reads nothing for STALL_TIMEOUT."""

    async def send_in_time(message: Message) -> None:
        async with asyncio.timeout(STALL_TIMEOUT):
            await send(message)

    return send_in_time


def too_large(max_bytes: int) -> ProblemError:
    """Return a 413. It closes the connection, because the rest of the body may still arrive."""
    detail = (
        f"The request is larger than the limit of {max_bytes} bytes." if max_bytes else "This request takes no body."
    )
    return ProblemError(413, detail=detail, headers={"Connection": "close"})


@asynccontextmanager
async def upload_slot(request: Request[State]) -> AsyncIterator[None]:
    """Run as one of at most MAX_UPLOADS uploads. If there are more, wait for REQUEST_TIMEOUT with the body unread.

    Raises ProblemError: 503.
    """
    deadline = asyncio.get_running_loop().time() + request.state["settings"].request_timeout
    async with AsyncExitStack() as held:
        try:
            await held.enter_async_context(request.state["uploads"].slot(current_token(), deadline))
        except BusyError:
            raise unavailable("busy", "Too many uploads are running.", closes=True) from None
        yield


@asynccontextmanager
async def transfer_slot(request: Request[State]) -> AsyncIterator[None]:
    """Run as one of the few imports and exports: each holds a database connection until it ends.

    One token has at most half of them. If there are more, wait for TRANSFER_WAIT with the body unread. Raises
    ProblemError: 503.
    """
    deadline = asyncio.get_running_loop().time() + TRANSFER_WAIT
    async with AsyncExitStack() as held:
        try:
            await held.enter_async_context(request.state["transfers"].slot(current_token() or request, deadline))
        except BusyError:
            raise unavailable("busy", "Too many imports and exports are running.", closes=True) from None
        yield
