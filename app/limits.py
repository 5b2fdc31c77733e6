"""How much a client may send."""

from collections.abc import Iterator
from contextlib import contextmanager

from anyio import WouldBlock
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from app.problems import RETRY_AFTER, ProblemError


def limited(scope: Scope, receive: Receive, max_bytes: int) -> Receive:
    """`receive`, for a body of at most `max_bytes`.

    Raises ProblemError: 413, before the body is read where its length is declared, else as it arrives.

    Starlette's own limit does the same, but answers a declared length in plain text instead of problem+json.
    """
    declared = Headers(scope=scope).get("content-length", "0")
    if not declared.isdecimal() or int(declared[:20]) > max_bytes:
        raise too_large(max_bytes)
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise too_large(max_bytes)
        return message

    return receive_limited


def too_large(max_bytes: int) -> ProblemError:
    """413; the connection is closed, since the rest of the body is still on its way."""
    return ProblemError(413, detail=f"At most {max_bytes} bytes are taken.", headers={"Connection": "close"})


@contextmanager
def transfer(request: Request) -> Iterator[None]:
    """One of the few imports and exports at once: each holds a connection until it ends. Raises ProblemError: 503."""
    transfers = request.state["transfers"]
    try:
        transfers.acquire_on_behalf_of_nowait(request)
    except WouldBlock:
        detail = "Too many imports and exports at once."
        raise ProblemError(503, detail=detail, headers={"Retry-After": RETRY_AFTER}) from None
    try:
        yield
    finally:
        transfers.release_on_behalf_of(request)
