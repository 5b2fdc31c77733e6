"""How much a client may send, how slowly, and how much of it at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from anyio import WouldBlock
from starlette.requests import Request
from starlette.types import Message, Receive, Send

from app.web.problems import RETRY_AFTER, ProblemError
from app.web.state import State

STALLED = 60.0  # seconds a client may take nothing of an answer that does not fit into memory
SLOWEST = 16 * 1024  # bytes a second: each of a body's gives its client as much more time


def limited(request: Request[State], receive: Receive, max_bytes: int) -> Receive:
    """`receive`, for a body of at most `max_bytes` that comes in time.

    Raises ProblemError: 413, before the body is read where its length is declared, else as it arrives; 408.

    Starlette's own limit does the same as to length, but answers a declared one in plain text instead of problem+json.
    """
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared[:20]) > max_bytes:
        raise too_large(max_bytes)
    clock = asyncio.get_running_loop().time
    begun: float | None = None  # when the first of it was asked for: until then the client has no part in it
    received = 0

    async def receive_limited() -> Message:
        nonlocal begun, received
        begun = begun or clock()
        try:
            async with asyncio.timeout_at(begun + request.state["settings"].request_timeout + received / SLOWEST):
                message = await receive()
        except TimeoutError:
            detail = "The body came too slowly."
            raise ProblemError(408, detail=detail, headers={"Connection": "close"}) from None
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise too_large(max_bytes)
        return message

    return receive_limited


def patient(send: Send) -> Send:
    """`send`, to a client that takes something of it within STALLED. Raises TimeoutError."""

    async def send_in_time(message: Message) -> None:
        async with asyncio.timeout(STALLED):
            await send(message)

    return send_in_time


def too_large(max_bytes: int) -> ProblemError:
    """413; the connection is closed, since the rest of the body is still on its way."""
    return ProblemError(413, detail=f"At most {max_bytes} bytes are taken.", headers={"Connection": "close"})


@asynccontextmanager
async def turn(request: Request[State]) -> AsyncIterator[None]:
    """One of MAX_UPLOADS at once. Who comes later waits, its body unread, for REQUEST_TIMEOUT.

    Raises ProblemError: 503.
    """
    uploads = request.state["uploads"]
    try:
        async with asyncio.timeout(request.state["settings"].request_timeout):
            await uploads.acquire_on_behalf_of(request)
    except TimeoutError:
        raise too_busy("Too many uploads at once.") from None
    try:
        yield
    finally:
        uploads.release_on_behalf_of(request)


@contextmanager
def transfer(request: Request[State]) -> Iterator[None]:
    """One of the few imports and exports at once: each holds a connection until it ends. Raises ProblemError: 503."""
    transfers = request.state["transfers"]
    try:
        transfers.acquire_on_behalf_of_nowait(request)
    except WouldBlock:
        raise too_busy("Too many imports and exports at once.") from None
    try:
        yield
    finally:
        transfers.release_on_behalf_of(request)


def too_busy(detail: str) -> ProblemError:
    return ProblemError(503, detail=detail, headers={"Retry-After": RETRY_AFTER, "Connection": "close"})
