"""Load generator: each connection sends a request, waits for its answer, and sends the next one (a closed loop).

It shares the cores with the servers, so it does little work. The requests are built before the run. For each answer,
it checks the status, the length, and that the expected bytes are in it.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import NamedTuple, cast

import psutil
import uvloop

Requests = Iterator[tuple[bytes, bytes]]  # a request, and bytes that the body of the answer must contain

LAST_ANSWERS_TIMEOUT = 60  # seconds


class Cpu(NamedTuple):
    """CPU seconds. The difference of two is the CPU between them."""

    server: float = 0.0
    postgres: float = 0.0
    load: float = 0.0  # this process
    busy: float = 0.0  # all processes of the machine
    idle: float = 0.0
    stolen: float = 0.0  # by other virtual machines

    @classmethod
    def now(cls, server: float = 0.0, postgres: float = 0.0) -> "Cpu":
        times = psutil.cpu_times()
        busy = times.user + times.nice + times.system + times.irq + times.softirq
        return cls(server, postgres, process_time(), busy, times.idle + times.iowait, times.steal)

    def since(self, before: "Cpu") -> "Cpu":
        return Cpu(*(after - earlier for after, earlier in zip(self, before, strict=True)))

    @property
    def idle_share(self) -> float:
        return self.idle / ((self.busy + self.idle + self.stolen) or 1)

    @property
    def others_share(self) -> float:
        """Return the share of the machine's CPU that went to processes without a part in the run, or was stolen."""
        others = max(0.0, self.busy - self.server - self.postgres - self.load) + self.stolen
        return others / ((self.busy + self.idle + self.stolen) or 1)


@dataclass
class Figures:
    """The measurements of one run."""

    requests: int = 0  # answered during the measurement
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)  # seconds, of the requests sent during the measurement
    cpu: Cpu = field(default_factory=Cpu)

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class Connection(asyncio.Protocol):
    def __init__(self, load: "Load") -> None:
        self.load = load
        self.received = b""
        self.more: list[bytes] = []  # the rest, joined at its end: a copy for each piece would cost much
        self.missing = 0
        self.end = 0  # length of the answer in bytes, or 0 if its head is not complete

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.send()

    def send(self) -> None:
        self.request, self.expected = next(self.load.requests)
        self.sent = perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if self.end:
            self.more.append(data)
            self.missing -= len(data)
            if self.missing > 0:
                return
            data = b"".join([self.received, *self.more])
            self.more.clear()
        elif self.received:
            data = self.received + data
        self.received = data
        if not self.end:
            body = data.find(b"\r\n\r\n") + 4
            if body == 3:
                return
            head = data[:body].lower()
            length = head.find(b"content-length: ") + 16
            if length == 15 or not head.startswith(self.load.status):
                self.fail(data)
                return
            self.end = body + int(head[length : head.find(b"\r", length)])
        if len(data) < self.end:
            self.missing = self.end - len(data)
            return
        if len(data) > self.end or self.expected not in data:
            self.fail(data)
            return
        self.received, self.end = b"", 0
        if self.load.answered(self.sent):
            self.send()
        else:
            self.transport.close()

    def fail(self, answer: bytes) -> None:
        self.load.fail(f"{self.request[:100]!r} has the answer {answer[:500]!r}")

    def connection_lost(self, error: Exception | None) -> None:
        self.load.disconnected(bool(self.received) or error is not None or not self.load.over)


class Load:
    def __init__(self, requests: Requests, status: int, connections: int) -> None:
        self.requests = requests
        self.status = b"http/1.1 %d" % status
        self.connections = connections
        self.figures = Figures()
        self.begun = float("inf")
        self.over = False
        self.done: asyncio.Future[None]

    def answered(self, sent: float) -> bool:
        """Count an answered request. Return whether the connection sends another one."""
        now = perf_counter()
        if sent >= self.begun:
            self.figures.latencies.append(now - sent)
        self.figures.requests += now >= self.begun and not self.over
        return not self.over

    def disconnected(self, broken: bool) -> None:
        self.connections -= 1
        if broken:
            self.fail("a connection was closed")
        elif self.connections == 0 and not self.done.done():
            self.done.set_result(None)

    def fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(why))

    async def run(self, port: int, warm_up: float, seconds: float, cpu: Callable[[], Cpu]) -> Figures:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.fail(repr(context)))
        self.done = loop.create_future()
        for _ in range(self.connections):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", port)
        await asyncio.wait([self.done], timeout=warm_up)
        before = cpu()
        self.begun = perf_counter()
        await asyncio.wait([self.done], timeout=seconds)
        self.over = True
        self.figures.seconds = perf_counter() - self.begun
        self.figures.cpu = cpu().since(before)
        await asyncio.wait_for(self.done, LAST_ANSWERS_TIMEOUT)
        return self.figures


def load(
    port: int,
    requests: Requests,
    *,
    status: int = 200,
    connections: int = 32,
    warm_up: float,
    seconds: float,
    cpu: Callable[[], Cpu] = Cpu.now,
) -> Figures:
    """Send requests to a server, first to warm it up, then to measure. Raises RuntimeError for a wrong answer."""
    gc.collect()
    gc.disable()
    try:
        return uvloop.run(Load(requests, status, connections).run(port, warm_up, seconds, cpu))
    finally:
        gc.enable()
