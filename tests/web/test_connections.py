"""The budget of one connection, over real sockets: what it may send, hold and wait, in each of its states."""

import asyncio
import gc
import logging
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import product
from typing import Any
from unittest.mock import Mock

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from app.web.server import accepting, heads, lingering, protocol
from app.web.server.request_log import REJECTION
from app.web.server.response import Cycle
from tests.conftest import free_port
from tests.migrations.test_backend import wait_until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
LARGE = bytes(20 * 2**20)
REJECTED = b"too large" * 1000
REQUEST_TIMEOUT = 0.4  # seconds, of a service under test
SLOW = 0.2  # seconds that a request to /slow takes


class Service:
    """A server in a thread of its own. Its application answers without reading the body, except at /body."""

    def __init__(self, loop: str = "auto") -> None:
        self.port = free_port()
        self.seen: list[str] = []
        self.may_answer = threading.Event()  # for requests to /wait
        config = uvicorn.Config(
            self.app,
            loop=loop,
            port=self.port,
            http=protocol.HttpProtocol,
            lifespan="off",
            log_config=None,
            ws="none",
            interface="asgi3",
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope["path"])
        if scope["path"] == "/body":
            while (message := await receive())["type"] == "http.request" and message.get("more_body"):
                pass
        if scope["path"] == "/wait":
            await asyncio.to_thread(self.may_answer.wait)
        if scope["path"] == "/slow":
            await asyncio.sleep(SLOW)
        if scope["path"] == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for number in range(50):
                await send({"type": "http.response.body", "body": bytes(20_000), "more_body": number < 49})
                await asyncio.sleep(0.005)
            return
        if scope["path"] == "/early":
            headers = [(b"content-length", b"%d" % len(REJECTED)), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 413, "headers": headers})
            await send({"type": "http.response.body", "body": REJECTED})
            return
        content = LARGE if scope["path"] == "/large" else b"ok"
        headers = [(b"content-length", b"%d" % len(content)), (b"fields", b"%d" % len(scope["headers"]))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def connect(self, buffer: int = 0) -> socket.socket:
        client = socket.socket()
        if buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.settimeout(20)
        client.connect(("127.0.0.1", self.port))
        return client

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Service]:
    monkeypatch.setattr(protocol, "DEFAULT_REQUEST_TIMEOUT", REQUEST_TIMEOUT)
    monkeypatch.setattr(protocol, "STALL_TIMEOUT", 0.5)
    service = Service(getattr(request, "param", "auto"))
    service.thread.start()
    wait_until(lambda: service.server.started)
    yield service
    service.server.should_exit = service.server.force_exit = True
    service.thread.join()


def rest(client: socket.socket) -> bytes:
    """Return what arrives until the server ends the connection. Raises TimeoutError if it does not."""
    received = bytearray()
    try:
        while piece := client.recv(65_536):
            received += piece
    except ConnectionError:
        pass
    return bytes(received)


def rest_of(client: socket.socket, size: int) -> bytes:
    """Return what arrives until there are more bytes than that, or the server ends the connection."""
    received = bytearray()
    with suppress(ConnectionError):
        while len(received) <= size and (piece := client.recv(2**20)):
            received += piece
    return bytes(received)


def sent_before_the_end(client: socket.socket, endless: bytes) -> int:
    """Send the same bytes until the server ends the connection, at most 16 MiB. Return how many were sent."""
    sent = 0
    with suppress(ConnectionError):
        while sent < 2**24:
            client.sendall(endless)
            sent += len(endless)
    return sent


def test_of_thousands_of_pipelined_requests_few_are_answered(service: Service) -> None:
    with service.connect() as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + GET * 2000)

        received = rest(client)

    assert received.count(b"HTTP/1.1 200 ") == 1 + protocol.MAX_QUEUED == len(service.seen)
    assert received.count(b"connection: close") == 1
    assert received.rindex(b"HTTP/1.1 200 ") < received.index(b"connection: close")


def connected(kind: type[protocol.HttpProtocol]) -> protocol.HttpProtocol:
    """Return a connection whose client sends nothing by itself."""
    service = Service()
    service.server.config.load()
    transport = Mock(is_closing=lambda: False, get_write_buffer_size=lambda: 0)
    transport.get_extra_info.return_value = None
    connection = kind(service.server.config, ServerState(), {})
    connection.connection_made(transport)
    return connection


async def test_of_thousands_of_requests_in_one_read_few_are_parsed() -> None:
    class Counting(protocol.HttpProtocol):
        parsed = 0

        def on_url(self, url: bytes) -> None:
            self.parsed += 1
            super().on_url(url)

    connection = connected(Counting)

    connection.data_received(GET * 10_000)
    connection.data_received(GET * 10_000)

    connection.connection_lost(None)
    assert isinstance(connection, Counting)
    assert connection.parsed <= protocol.MAX_QUEUED + protocol.PIECE // len(GET) + 2


@pytest.mark.parametrize(("size", "rejected"), [(100_000, True), (66_000, True), (65_000, False)])
async def test_a_head_behind_another_request_in_one_read_has_the_same_limit(size: int, rejected: bool) -> None:
    connection = connected(protocol.HttpProtocol)
    connection.data_received(GET + GET.replace(b"Host", b"x: " + b"y" * size + b"\r\nHost"))
    scopes: list[dict[str, Any]] = [{**waiting.scope} for waiting, _ in connection.pipeline]
    ends = connection.transport.is_closing()  # the head was not even read to its end
    connection.connection_lost(None)

    assert ends or len(scopes) == 1
    assert (ends or REJECTION in scopes[0]) == rejected
    if rejected and not ends:
        assert scopes[0][REJECTION].response().status_code == 431


@pytest.mark.parametrize("before", [b"", GET], ids=["first", "second"])
def test_pipelined_requests_of_a_client_that_vanishes_log_no_traceback(
    before: bytes, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    client = service.connect()
    client.sendall(before + b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
    wait_until(lambda: service.seen[-1:] == ["/slow"])
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() resets the connection
    client.close()

    wait_until(lambda: not service.connections and not service.server.server_state.tasks)

    assert service.seen[-1] == "/slow"
    assert caplog.messages == []


PIPELINES = {
    "small": GET * 16,
    "large": GET.replace(b"/", b"/large", 1) * 16,
    "slow": GET.replace(b"/", b"/slow", 1) * 16,
    "more than may wait": GET * 40,
    "bodies": GET.replace(b"GET /", b"POST /body", 1).replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\nab") * 16,
    "half a body": GET * 3 + CHUNKED.replace(b"/", b"/body", 1) + b"5\r\nab",
    "half a head": GET.replace(b"/", b"/slow", 1) * 3 + b"GET",
    "garbage": GET.replace(b"/", b"/slow", 1) * 3 + b"garbage\r\n\r\n",
    "a stream, and garbage": GET.replace(b"/", b"/stream", 1) + b"garbage\r\n\r\n",
    "a head too long": GET.replace(b"/", b"/slow", 1) * 3 + b"GET /" + b"a" * 100_000,
}


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize("service", ["uvloop", "asyncio"], indirect=True)
def test_pipelining_clients_that_vanish_leave_no_traceback(
    pipeline: str, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    reset = struct.pack("ii", 1, 0)
    for read, linger in product([0, 1, 100_000], [b"", reset]):
        for _ in range(3):
            with service.connect(buffer=2048) as client, suppress(ConnectionError):
                client.sendall(PIPELINES[pipeline])
                client.settimeout(0.05)
                with suppress(TimeoutError):
                    client.recv(read)
                if linger:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    wait_until(lambda: service.connections == 0 and not service.server.server_state.tasks)

    wrong = {"Invalid HTTP request received.", "aborted a connection: its client reads too slowly"}
    assert {record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING} <= wrong


def test_as_many_requests_as_may_wait_are_all_answered(service: Service) -> None:
    with service.connect() as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + GET * (protocol.MAX_QUEUED - 1))
        client.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

        assert rest(client).count(b"HTTP/1.1 200 ") == 1 + protocol.MAX_QUEUED


@pytest.mark.parametrize(
    "endless",
    [b"a: b\r\n" * 1000, b"a" * 8000],
    ids=["many trailers", "one trailer"],
)
@pytest.mark.parametrize("path", [b"/", b"/body"])
def test_trailers_without_end_end_the_connection(path: bytes, endless: bytes, service: Service) -> None:
    with service.connect() as client:
        client.sendall(CHUNKED.replace(b"/", path, 1) + b"5\r\nhello\r\n0\r\nb: ")

        assert sent_before_the_end(client, endless) < 2**24
    wait_until(lambda: service.connections == 0)


@pytest.mark.parametrize(
    ("start", "limit"), [(GET[:-2], protocol.MAX_HEADERS), (CHUNKED + b"1\r\nx\r\n0\r\n", 0)], ids=["head", "trailers"]
)
async def test_few_of_many_short_lines_are_kept(start: bytes, limit: int) -> None:
    connection = connected(protocol.HttpProtocol)

    for piece in (start, *[b"a:b\r\n" * 100] * 100):
        connection.data_received(piece)

    assert connection.headers.count((b"a", b"b")) <= limit
    connection.connection_lost(None)


@pytest.mark.parametrize("number", [protocol.MAX_HEADERS, protocol.MAX_HEADERS + 1])
@pytest.mark.parametrize(
    "offer", [b"", b"Upgrade: h2c\r\nConnection: upgrade\r\n"], ids=["none", "of another protocol"]
)
async def test_a_head_has_few_headers(number: int, offer: bytes) -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)

    connection = connected(protocol.HttpProtocol)
    connection.app = app
    lines = b"a:b\r\n" * (number - 1 - offer.count(b"\n"))

    connection.data_received(GET[:-2] + lines + offer + b"\r\n")
    await asyncio.sleep(0)

    assert (REJECTION in scopes[0]) == (number > protocol.MAX_HEADERS)
    if number > protocol.MAX_HEADERS:
        assert scopes[0][REJECTION].response().status_code == 431
    connection.connection_lost(None)


def test_a_discarded_body_in_tiny_chunks_ends_the_connection_early(service: Service) -> None:
    with service.connect() as client:
        client.sendall(CHUNKED)
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")

        assert sent_before_the_end(client, b"1\r\nx\r\n" * 10_000) < 2**23


BODY = bytes(40 * 2**20)
CHUNK = b"1000\r\n%b\r\n" % bytes(0x1000)
EARLY = {
    "declared": (b"Content-Length: %d\r\n\r\n" % len(BODY), BODY),
    "chunked": (b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
}


@pytest.mark.parametrize("service", ["asyncio", "uvloop"], indirect=True)
@pytest.mark.parametrize("coding", EARLY)
def test_an_early_response_is_read_after_the_whole_body(
    coding: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sends 40 MiB before it reads anything."""
    monkeypatch.setattr(protocol, "DEFAULT_REQUEST_TIMEOUT", 20)
    head, body = EARLY[coding]
    with service.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n" + head + body)
        first = client.recv(65_536)
        client.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\n" + head + body)

        received = rest(client)

    assert first.startswith(b"HTTP/1.1 200 ")
    assert received.startswith(b"HTTP/1.1 413 ")
    assert received.endswith(b"\r\n\r\n" + REJECTED)
    wait_until(lambda: service.connections == 0)


def test_a_request_in_one_packet_with_the_rest_of_a_body_has_its_time(service: Service) -> None:
    """The time of an idle connection begins with the end of the body, and ends with the next head."""
    service.server.config.timeout_keep_alive = SLOW / 4  # type: ignore[assignment]
    with service.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        client.sendall(b"rest" + GET.replace(b"/", b"/slow", 1))

        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        assert rest(client) == b""  # idle since


def test_a_rejected_head_is_answered_after_what_follows_it(service: Service) -> None:
    for head, status in {b"GET /\x7f HTTP/1.1\r\n": b"400", b"GET /%b HTTP/1.1\r\n" % (b"a" * 70_000): b"431"}.items():
        with service.connect() as client:
            client.sendall(head + b"a: b\r\n" * 100_000)
            assert rest(client).startswith(b"HTTP/1.1 " + status)
        wait_until(lambda: service.connections == 0)


@pytest.mark.parametrize("path", [b"/", b"/early"])
def test_after_an_early_response_a_body_without_end_ends_the_connection(
    path: bytes, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (protocol, lingering):
        monkeypatch.setattr(module, "LINGER_BYTES", 2**20)
    monkeypatch.setattr(protocol, "DEFAULT_REQUEST_TIMEOUT", 20)
    for head, endless in [
        (b"Content-Length: 99999999999\r\n\r\n", bytes(2**16)),
        (b"Transfer-Encoding: chunked\r\n\r\n", CHUNK),
    ]:
        with service.connect() as client:
            client.sendall(b"POST %b HTTP/1.1\r\nHost: a\r\n" % path + head)
            assert sent_before_the_end(client, endless) < 2**24
        wait_until(lambda: service.connections == 0)


def test_what_is_malformed_behind_a_running_request_is_no_traceback(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer of the request comes after the connection has begun to end."""
    for malformed in (b"x\r\n", b"1\r\nabc\r\n"):
        with service.connect() as client, caplog.at_level(logging.WARNING):
            client.sendall(CHUNKED.replace(b"/", b"/slow", 1) + malformed)
            assert rest(client).startswith(b"HTTP/1.1 400 ")
            time.sleep(2 * SLOW)
        wait_until(lambda: service.connections == 0)
    assert "Traceback" not in caplog.text
    assert "Exception" not in caplog.text


@pytest.mark.parametrize("behind", [b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n", b"garbage\0", bytes(300_000)])
def test_the_last_request_of_a_connection_is_answered_whatever_follows_it(behind: bytes, service: Service) -> None:
    lasts = [
        b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"POST /body HTTP/1.0\r\nContent-Length: 2\r\n\r\nab",
        CHUNKED.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + b"0\r\n\r\n",
    ]
    for last in lasts:
        for parts in ([last + behind], [last, behind]):
            service.seen.clear()
            with service.connect() as client:
                with suppress(ConnectionError):
                    for part in parts:
                        client.sendall(part)
                        time.sleep(0.01)
                received = rest(client)
            assert received.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 ")), received
            assert (received.count(b"HTTP/1.1 "), len(service.seen)) == (1, 1)
        wait_until(lambda: service.connections == 0)


def test_a_client_that_never_ends_its_body_is_given_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "LINGER_TIME", 0.2)
    with service.connect() as client:
        client.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
        assert rest(client).startswith(b"HTTP/1.1 413 ")
        wait_until(lambda: service.connections == 0)


def test_a_shutdown_does_not_wait_for_the_rest_of_a_body(service: Service) -> None:
    with service.connect() as client:
        client.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
        assert rest(client).startswith(b"HTTP/1.1 413 ")
        assert service.connections == 1
        service.server.should_exit = True
        service.thread.join(10)

        assert not service.thread.is_alive()


def test_the_line_before_a_chunk_has_an_end(service: Service) -> None:
    with service.connect() as client:
        client.sendall(CHUNKED.replace(b"/", b"/body", 1) + b"5;")

        assert sent_before_the_end(client, b"x" * 8192) < 2**24
    wait_until(lambda: service.connections == 0)


def test_a_long_body_in_small_chunks_is_read_whole(service: Service) -> None:
    with service.connect() as client:
        client.sendall(CHUNKED.replace(b"/", b"/body", 1) + b"4\r\nabcd\r\n" * 100_000 + b"0\r\na: b\r\n\r\n")
        client.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received = rest(client)

    assert received.count(b"HTTP/1.1 200 ") == 2
    assert b"fields: 2\r\n" in received  # no trailer is among the headers


@pytest.mark.parametrize("path", [b"/", b"/body"])
def test_a_body_of_chunks_with_one_byte_ends_the_connection(service: Service, path: bytes) -> None:
    """Such a chunk costs as much as one of 16 KiB, also after an early response."""
    with service.connect() as client:
        with suppress(ConnectionError):
            client.sendall(CHUNKED.replace(b"/", path, 1))
            for _ in range(100):
                client.sendall(b"1\r\nx\r\n" * 1000)
            client.sendall(b"0\r\n\r\n")
        received = rest(client)

    assert received.count(b"HTTP/1.1 200 ") == (path == b"/")
    wait_until(lambda: service.connections == 0)


async def test_heads_that_are_not_complete_have_a_budget_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, 10,000 connections of clients without a token hold hundreds of MiB."""
    monkeypatch.setattr(heads, "MAX_HELD_BYTES", 100_000)
    large, many = GET[:-2] + b"a: %s\r\n" % bytes(20_000).replace(b"\0", b"x"), GET[:-2] + b"a:\r\n" * 150
    connections = [connected(protocol.HttpProtocol) for _ in range(8)]
    for connection, head in zip(connections, [large, large, large, large, many, many, large, GET[:-2]], strict=True):
        connection.data_received(head)

    writes: list[Any] = [connection.transport._own.write for connection in connections]
    assert [write.called for write in writes] == [False] * 5 + [True, True, False]
    assert b" 503 " in writes[6].call_args[0][0]
    held: list[Any] = [connection.scope["headers"] for connection in connections]
    assert [len(headers) for headers in held[4:]] == [150, 0, 0, 0]
    for connection in connections:
        connection.connection_lost(None)
    assert protocol.HttpProtocol._heads.total == 0
    assert protocol.HttpProtocol._heads.held == {}


async def test_connections_with_tiny_chunks_take_turns() -> None:
    """Otherwise all other requests wait until each of many such connections is parsed."""
    pieces: list[protocol.HttpProtocol] = []
    bodies: dict[protocol.HttpProtocol, bytes] = {}

    class Counting(protocol.HttpProtocol):
        def _receive(self, data: bytes) -> int:
            pieces.append(self)
            return super()._receive(data)

        def on_body(self, body: bytes) -> None:
            bodies[self] = bodies.get(self, b"") + body
            super().on_body(body)

    tiny = [connected(Counting) for _ in range(3)]
    for connection in tiny:
        connection.data_received(CHUNKED + b"3\r\nabc\r\n" * 5000)  # 3 pieces
    at_once, later = list(pieces), []
    while len(pieces) < 9:
        count = len(pieces)
        await asyncio.sleep(0)
        later.append(len(pieces) - count)

    assert at_once == tiny
    assert max(later) == 1
    assert pieces == 3 * tiny
    assert list(bodies.values()) == 3 * [b"abc" * 5000]
    for connection in tiny:
        connection.connection_lost(None)


def test_the_next_request_waits_until_the_client_reads(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a client that does not read could have 16 responses of 20 MiB made."""
    monkeypatch.setattr(protocol, "STALL_TIMEOUT", 20)
    with service.connect(2048) as client:
        client.sendall(GET.replace(b"/ ", b"/large ", 1) * 3)
        wait_until(lambda: service.seen == ["/large"])
        [connection] = service.server.server_state.connections
        wait_until(lambda: getattr(connection, "_is_next_due", None))
        seen = list(service.seen)
        rest_of(client, 3 * len(LARGE))

    assert seen == ["/large"]
    assert service.seen == ["/large"] * 3


def test_responses_that_clients_do_not_read_take_a_limited_memory(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client that has not read for the longest time gives way, and not the one that reads."""
    monkeypatch.setattr(protocol, "STALL_TIMEOUT", 20)
    monkeypatch.setattr(protocol, "MAX_UNREAD_BYTES", 2.5 * len(LARGE))
    with ExitStack() as stack, caplog.at_level(logging.WARNING):
        clients = [stack.enter_context(service.connect(2048)) for _ in range(3)]
        for client in clients:
            before = len(service.seen)
            client.sendall(GET.replace(b"/ ", b"/large ", 1))
            wait_until(lambda before=before: len(service.seen) > before)  # type: ignore[misc]
        lengths = [len(rest_of(client, len(LARGE))) for client in reversed(clients)]

    assert [length > len(LARGE) for length in lengths] == [True, True, False]
    assert "take too much memory" in caplog.text


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", b"1"),
        (CHUNKED, b"3e8\r\nx"),
        (CHUNKED, b"0\r\na"),
        (GET, b"GET / HTTP/1.1\r\n"),
        (GET, b""),
        (b"", b"G"),
        (b"", b""),
    ],
    ids=[
        "body",
        "body of a GET",
        "last byte of a body",
        "chunk",
        "trailer",
        "second head",
        "nothing more",
        "first head",
        "nothing",
    ],
)
def test_no_state_of_a_connection_lasts_although_bytes_trickle_in(first: bytes, then: bytes, service: Service) -> None:
    with service.connect() as client:
        client.sendall(first)
        if first:
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        client.sendall(then)
        client.settimeout(0.05)
        started = time.monotonic()
        ended = False
        while not ended and time.monotonic() - started < 20:
            try:
                if then[-1:].isalpha():
                    client.sendall(then[-1:])
                ended = client.recv(65_536) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                ended = True

    assert ended
    assert time.monotonic() - started < 10  # seconds; uvicorn's time to keep an idle connection is 5
    wait_until(lambda: service.connections == 0)


def test_a_client_that_does_not_read_is_given_up(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with service.connect(buffer=2048) as client, caplog.at_level(logging.WARNING):
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")

        wait_until(lambda: service.seen == ["/large"] and service.connections == 0)

    assert "its client reads too slowly" in caplog.text


def test_a_client_that_reads_a_byte_now_and_then_is_given_up(service: Service) -> None:
    with service.connect(buffer=2048) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: client.recv(1) and service.connections == 0)


def test_a_slow_reader_gets_the_whole_answer(service: Service) -> None:
    received = 0
    with service.connect(buffer=65_536) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        started = time.monotonic()
        while piece := client.recv(2**20):
            received += len(piece)
            while time.monotonic() - started < 1.5 * received / len(LARGE):  # three times STALL_TIMEOUT in all
                time.sleep(0.01)

    assert received > len(LARGE)


@pytest.mark.parametrize(
    ("workers", "busy", "expected"), [(1, False, []), (2, False, [accepting.PAUSE] * 2), (2, True, [])]
)
def test_only_an_idle_worker_of_several_leaves_a_burst_to_the_others(
    workers: int, busy: bool, expected: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accept connections 10 s, 0.5 ms, 0.5 ms and 10 s after the one before."""
    service = Service()
    service.server.config.load()
    service.server.config.workers = workers
    moment = 100.0
    paused: list[float] = []
    monkeypatch.setattr(accepting, "monotonic", lambda: moment)
    monkeypatch.setattr(accepting, "sleep", paused.append)
    monkeypatch.setattr(accepting, "_accepted", 0.0)
    state = ServerState()
    state.tasks |= {Mock()} if busy else set()
    for wait in (10, 0.0005, 0.0005, 10):
        moment += wait
        protocol.HttpProtocol(service.server.config, state, {}, Mock())

    assert paused == expected


@pytest.fixture
def full(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Let the service take three connections, which have time."""
    monkeypatch.setattr(protocol, "max_connections", lambda: 3)
    monkeypatch.setattr(protocol, "DEFAULT_REQUEST_TIMEOUT", 20)
    return service


def open_connections(service: Service, stack: ExitStack, number: int, others: int = 0) -> list[socket.socket]:
    """Open connections one after the other, beside others."""
    clients = []
    for _ in range(number):
        clients.append(stack.enter_context(service.connect()))
        wait_until(lambda: service.connections == others + len(clients))
    return clients


def test_connections_beyond_the_limit_are_503_if_a_request_runs_in_each(
    full: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """The client sends a body that nothing reads, and sees the response anyway."""
    with ExitStack() as stack, caplog.at_level(logging.WARNING):
        kept = open_connections(full, stack, 3)
        for client in kept:
            client.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
        wait_until(lambda: full.seen == ["/body"] * 3)
        with full.connect() as beyond:
            with suppress(ConnectionError):
                beyond.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000))
            received = rest(beyond)
        for client in kept:
            client.sendall(b"x")
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")

    assert received.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5\r\n" in received
    assert "rejected a connection" in caplog.text


def test_beyond_the_limit_the_connection_that_waited_longest_gives_way(
    full: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not the oldest one, which had a response since. Bytes of a head that is not complete do not count."""
    with ExitStack() as stack, caplog.at_level(logging.WARNING):
        used, silent, busy = open_connections(full, stack, 3)
        silent.sendall(GET[:9])
        busy.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
        used.sendall(GET)
        assert used.recv(65_536).startswith(b"HTTP/1.1 200 ")
        wait_until(lambda: "/body" in full.seen)
        beyond = stack.enter_context(full.connect())
        for client, data in ((beyond, GET), (busy, b"x"), (used, GET)):
            client.sendall(data)
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")

        assert rest(silent) == b""
    assert "closed 1 idle connection" in caplog.text


def test_the_oldest_connections_without_a_complete_head_give_way(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those whose requests run stay, and those that wait for a next request."""
    monkeypatch.setattr(heads, "MAX_WAITING", 3)
    monkeypatch.setattr(protocol, "DEFAULT_REQUEST_TIMEOUT", 20)
    with ExitStack() as stack, caplog.at_level(logging.WARNING):
        stack.callback(service.may_answer.set)
        used, busy = open_connections(service, stack, 2)
        used.sendall(GET)
        assert used.recv(65_536).startswith(b"HTTP/1.1 200 ")
        busy.sendall(GET.replace(b"/ ", b"/wait ", 1))
        wait_until(lambda: "/wait" in service.seen)
        busy.sendall(GET[:9])
        wait_until(lambda: len(protocol.HttpProtocol._heads.held) == 1)
        silent, begun = open_connections(service, stack, 2, others=2)
        begun.sendall(GET + GET[:9])
        assert begun.recv(65_536).startswith(b"HTTP/1.1 200 ")
        wait_until(lambda: len(protocol.HttpProtocol._heads.held) == 3)
        stack.enter_context(service.connect())

        assert rest(silent) == b""
        service.may_answer.set()
        assert busy.recv(65_536).startswith(b"HTTP/1.1 200 ")
        used.sendall(GET)
        assert used.recv(65_536).startswith(b"HTTP/1.1 200 ")
        begun.sendall(GET[9:])
        assert begun.recv(65_536).startswith(b"HTTP/1.1 200 ")
    assert caplog.messages == ["closed 1 idle connection to make room for a new one"]


@pytest.mark.parametrize(
    "data",
    [
        GET,
        GET[:9],
        GET.replace(b"/ ", b"/slow ", 1),
        GET * 40,
        CHUNKED + b"1\r\nx\r\n0\r\n" + b"a: b\r\n" * 20_000,
        b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
    ],
)
def test_a_lost_connection_is_freed_at_once(service: Service, data: bytes) -> None:
    """The garbage collector may come late: 600 connections with long trailers had 50 MiB until then."""
    gc.collect()
    gc.disable()
    try:
        with service.connect() as client, suppress(ConnectionError):
            client.sendall(data)
        wait_until(lambda: not any(isinstance(each, (protocol.HttpProtocol, Cycle)) for each in gc.get_objects()))
    finally:
        gc.enable()


def test_the_limit_leaves_half_of_the_file_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    accepting.max_connections.cache_clear()
    for files, expected in [(64, 32), (1, 1), (1024, 512), (2**63 - 1, accepting.MAX_CONNECTIONS), (-1, 10_000)]:
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert accepting.max_connections() == expected
        accepting.max_connections.cache_clear()


OFFERS = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "websocket": b"Connection: keep-alive, \tupgrade\t\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n",
    "two": b"Connection: upgrade\r\nConnection: keep-alive\r\nUpgrade: a, b\r\nUpgrade: c\r\n",
}
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
SMUGGLED = b"DELETE /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def with_body(coding: str, body: bytes) -> tuple[bytes, bytes]:
    """Return the header of a body, and the bytes that carry it."""
    if coding == "length":
        return b"Content-Length: %d\r\n" % len(body), body
    return b"Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.mark.parametrize("size", [1, 40, 16_384, 16_385, 100_000])
@pytest.mark.parametrize(("offer", "coding"), list(product(OFFERS, ["length", "chunked"])))
def test_the_body_of_a_request_that_offers_another_protocol_is_no_request(
    offer: str, coding: str, size: int, service: Service
) -> None:
    """Whether the body arrives with the head, after it, or in pieces, and wherever the other request is in it."""
    header, body = with_body(coding, SMUGGLED * (size // len(SMUGGLED) + 1))
    head = b"POST /body HTTP/1.1\r\nHost: a\r\n" + OFFERS[offer] + header + b"\r\n"
    for parts in ([head + body], [head, body], [head[:-1], head[-1:] + body[:5], body[5:]]):
        with service.connect() as client:
            for part in parts:
                client.sendall(part)
                time.sleep(0.01)
            client.sendall(LAST)
            received = rest(client)

        assert received.count(b"HTTP/1.1 200") == 2, received
    assert service.seen == ["/body", "/last"] * 3


def test_offers_in_a_pipeline_are_answered_in_order(service: Service) -> None:
    offer = b"GET /%d HTTP/1.1\r\nHost: a\r\n" + OFFERS["h2c"] + b"\r\n"
    with service.connect() as client:
        client.sendall(b"".join(offer % number for number in range(10)) + LAST)

        assert rest(client).count(b"HTTP/1.1 200") == 11
    assert service.seen == [*(f"/{number}" for number in range(10)), "/last"]


def test_nothing_that_follows_connect_is_a_request(service: Service) -> None:
    with service.connect() as client:
        client.sendall(b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n" + SMUGGLED)

        assert rest(client).count(b"HTTP/1.1 ") == 1
    assert "/smuggled" not in service.seen


async def test_another_transfer_coding_is_501() -> None:
    connection = connected(protocol.HttpProtocol)
    connection.data_received(GET + CHUNKED.replace(b"chunked", b"gzip, chunked"))
    [(waiting, _)] = connection.pipeline
    scope: dict[str, Any] = {**waiting.scope}
    connection.connection_lost(None)

    assert scope[REJECTION].response().status_code == 501
