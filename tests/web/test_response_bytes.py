"""Response as bytes: head and body in one write, and no header that could end a line."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message
from uvicorn import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.observability.logs import logger
from app.web.security import SECURITY
from app.web.server.response import Cycle


class Transport:
    """A transport that keeps what is written, one entry for each system call."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def writelines(self, parts: list[bytes]) -> None:
        self.written.append(b"".join(parts))

    def close(self) -> None:
        self.closed = True


async def answer(*messages: Message, method: str = "GET", is_old: bool = False) -> Transport:
    transport: Any = Transport()
    cycle = RequestResponseCycle(
        scope={"method": method},  # type: ignore[typeddict-item]
        transport=transport,
        flow=FlowControl(transport),
        logger=logger,
        access_logger=logger,
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=not is_old,
        on_response=lambda: None,
    )
    config = Config("", log_config=None)
    config.encoded_headers = [(b"server", b"images")]
    Cycle.extend(cycle, config, is_old=is_old)
    for message in messages:
        await cycle.send(message)  # type: ignore[arg-type]
    assert isinstance(transport, Transport)
    return transport


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(content: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def test_head_and_body_are_one_write() -> None:
    headers = [(b"Content-Length", b"2"), (b"content-type", b"application/json"), *SECURITY.items()]
    transport = await answer(start(*headers), body(b"{}"))
    [written] = transport.written
    head, _, rest = written.partition(b"\r\n\r\n")
    status, date, *lines = head.split(b"\r\n")
    assert (status, rest) == (b"HTTP/1.1 200 OK", b"{}")
    assert date.startswith(b"date: ")
    assert sorted(lines) == sorted([b"server: images", *(b"%b: %b" % (name.lower(), value) for name, value in headers)])


@pytest.mark.parametrize(
    ("messages", "method", "is_old", "end"),
    [
        ([start(), body(b"ab", more=True), body(b"c")], "GET", False, b"chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
        ([start(), body()], "GET", False, b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ([start(), body(b"ab", more=True), body(b"c")], "GET", True, b"connection: close\r\n\r\nabc"),
        ([start((b"content-length", b"3")), body(b"abc")], "HEAD", False, b"content-length: 3\r\n\r\n"),
        ([start(status=204), body()], "GET", False, b"server: images\r\n\r\n"),
        ([start((b"connection", b"Close"), (b"content-length", b"0")), body()], "GET", False, b"length: 0\r\n\r\n"),
    ],
)
async def test_a_body_ends_as_http_has_it(messages: list[Message], method: str, is_old: bool, end: bytes) -> None:
    transport = await answer(*messages, method=method, is_old=is_old)
    assert b"".join(transport.written).endswith(end)
    assert transport.closed == (b"connection: close" in transport.written[0].lower())


@pytest.mark.parametrize("character", [b"\r", b"\n", b"\r\n", b"\0", b"\x7f", b"\r\nx: y\r\n"])
@pytest.mark.parametrize("header", [(b"link", b"<%b>"), (b"x-%b", b"y")])
async def test_a_header_cannot_end_a_line(character: bytes, header: tuple[bytes, bytes]) -> None:
    broken = header[0].replace(b"%b", character), header[1].replace(b"%b", character)
    with pytest.raises(RuntimeError):
        await answer(start(broken), body())


@pytest.mark.parametrize(
    "messages",
    [
        [start((b"content-length", b"1")), body(b"ab")],
        [start((b"content-length", b"3")), body(b"ab")],
        [start((b"content-length", b"3")), body(b"ab", more=True), body()],
        [body(b"ab")],
        [start(), start()],
        [start(), body(), body()],
    ],
)
async def test_a_wrong_message_is_an_error(messages: list[Message]) -> None:
    with pytest.raises(RuntimeError):
        await answer(*messages)
