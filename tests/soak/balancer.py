"""Load balancer: a TCP proxy in front of the instances of the service, which polls /readyz of each."""

import asyncio
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Self

EVERY = 0.1  # seconds between two requests for /readyz
CHUNK = 65_536  # bytes


@dataclass
class Backend:
    port: int
    ready: bool = False
    drained: bool = False  # it gets no new connection, ready or not
    connections: int = 0


class Balancer:
    """A proxy that forwards each new connection to the next instance that is ready.

    If no instance is ready, it forwards to an instance that accepts the connection. It does not read the requests: a
    connection stays with its instance until the client or the instance closes it.
    """

    def __init__(self) -> None:
        self.backends: dict[int, Backend] = {}
        self._turns = count()
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._watch = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in (self._watch, *self._serving):
            task.cancel()
        await asyncio.wait([self._watch, *self._serving])

    def add(self, port: int) -> None:
        self.backends[port] = Backend(port)

    async def until_ready(self, port: int) -> None:
        while not self.backends[port].ready:  # noqa: ASYNC110
            await asyncio.sleep(EVERY)

    async def remove(self, port: int) -> None:
        """Send no new connection to the instance, wait until its connections are closed, and remove it."""
        self.backends[port].drained = True
        while self.backends[port].connections:  # noqa: ASYNC110
            await asyncio.sleep(EVERY)
        del self.backends[port]

    async def _look(self) -> None:
        while True:
            for backend in list(self.backends.values()):
                backend.ready = await _is_ready(backend.port)
            await asyncio.sleep(EVERY)

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        backend, connection = await self._connect()
        if backend is None or connection is None:
            writer.close()
            return
        backend.connections += 1
        try:
            ways = [(reader, connection[1]), (connection[0], writer)]
            await asyncio.gather(*(_pass(*way) for way in ways))
        finally:
            backend.connections -= 1
            connection[1].close()
            writer.close()

    async def _connect(self) -> tuple[Backend | None, tuple[StreamReader, StreamWriter] | None]:
        turn = next(self._turns)
        backends = [backend for backend in self.backends.values() if not backend.drained]
        backends = backends[turn % max(len(backends), 1) :] + backends[: turn % max(len(backends), 1)]
        for backend in sorted(backends, key=lambda backend: not backend.ready):
            with suppress(OSError):
                return backend, await asyncio.open_connection("127.0.0.1", backend.port)
        return None, None


async def _pass(reader: StreamReader, writer: StreamWriter) -> None:
    """Forward bytes until the end of the stream, and then forward the end."""
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError):
        writer.write_eof()


async def _is_ready(port: int) -> bool:
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await reader.read(12)
            writer.close()
            return answer == b"HTTP/1.1 200"
    except (OSError, TimeoutError):
        return False
