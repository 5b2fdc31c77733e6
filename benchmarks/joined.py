"""Head and body of a response in one write against two: `python -m benchmarks.joined`, about a minute.

A server in this process answers each GET over TCP with 700 bytes of JSON, as many as one image has. Another process
sends the requests. The variants take turns of a quarter of a second. It prints medians of the turns: CPU of the
server process, write system calls for each request, and the ratio to two writes.
"""

import argparse
import asyncio
import sys
from functools import partial
from statistics import median
from time import process_time
from typing import Any

import psutil
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

BODY = b"x" * 700  # bytes: an image as JSON
CONNECTIONS = 32
PAUSE = 0.05  # seconds after which no request of the previous turn is running
REQUEST = b"GET /v1/images/x HTTP/1.1\r\nHost: localhost\r\n\r\n"
answered = 0


class Joined:
    """A transport that sends the head of a response together with what follows in the same step of the event loop."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._head = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            self._call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class OneWrite(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Joined(transport, self.loop))  # type: ignore[arg-type]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    global answered
    answered += 1
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


async def client(ports: list[int]) -> None:
    """Send requests to the port that stdin names last, over CONNECTIONS connections for each port."""
    turn = {port: asyncio.Event() for port in ports}

    async def ask(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            await turn[port].wait()
            writer.write(REQUEST)
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(BODY))

    asking = [asyncio.create_task(ask(port)) for port in ports for _ in range(CONNECTIONS)]
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    async for line in stdin:
        for port, event in turn.items():
            event.set() if port == int(line) else event.clear()
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


async def measure(rounds: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    config = Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
    config.load()
    costs: dict[str, list[tuple[float, float]]] = {}
    server = psutil.Process()
    ports, servers = {}, []
    for name, protocol in {"two writes": HttpToolsProtocol, "one write": OneWrite}.items():
        costs[name] = []
        make = partial(protocol, config=config, server_state=ServerState(), app_state={})
        servers.append(await loop.create_server(make, "127.0.0.1"))
        ports[name] = servers[-1].sockets[0].getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.joined", "--client", *map(str, ports.values())]
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
    assert process.stdin is not None
    for turn in range(rounds):
        for name in list(ports) if turn % 2 else reversed(list(ports)):
            process.stdin.write(b"%d\n" % ports[name])
            await asyncio.sleep(PAUSE)
            before, started, written = answered, process_time(), server.io_counters().write_count
            await asyncio.sleep(seconds)
            if count := answered - before:  # none while the client starts
                calls = (server.io_counters().write_count - written) / count
                costs[name].append(((process_time() - started) / count * 1e6, calls))
    process.stdin.close()
    await process.wait()
    first = costs["two writes"]
    for name, each in costs.items():
        ratio = median(one / base for (one, _), (base, _) in zip(each, first, strict=False))
        cpu, calls = (median(values) for values in zip(*each, strict=True))
        print(f"{name:12} {cpu:7.1f} us  {ratio:5.3f}  {calls:5.2f} writes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--client", type=int, nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    work = measure(arguments.rounds, arguments.seconds)
    if arguments.client:
        work.close()
        work = client(arguments.client)
    uvloop.run(work)


if __name__ == "__main__":
    main()
