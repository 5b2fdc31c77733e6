"""Hostile clients of the soak test, in a process of their own.

`python -m tests.soak.attacks PORT SECONDS SILENT MEGAPIXELS`

Each attack is one misuse of one connection. It runs again and again until the time is over, some of them at once. The
token of the environment variable TOKEN is for attacks that need one. The process prints the number of rounds by attack.
"""

import asyncio
import json
import os
import socket
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple
from uuid import uuid4

from app.catalogue import tokens
from tests.support.pictures import picture

HOLD = 5.0  # seconds that a client keeps a connection that it does not read
DRIP = 0.5  # seconds between two bytes of a slow client
PATIENCE = 180.0  # seconds after which a client gives up a connection that the service should have ended
SMALL = 2048  # bytes of the receive buffer of a client that does not read
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST
PIPELINE = 256 * 1024  # bytes


class Connection:
    """A TCP connection whose client reads only if it is asked to."""

    def __init__(self, buffer: int = 0) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        if buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._loop = asyncio.get_running_loop()

    async def open(self, port: int) -> None:
        await self._loop.sock_connect(self._socket, ("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._socket, data)

    async def read(self) -> bytes:
        """Return some bytes, or b"" if the service has ended the connection."""
        return await self._loop.sock_recv(self._socket, 65_536)

    async def drip(self, data: bytes) -> None:
        """Send the data now and then, until the service ends the connection."""
        while True:
            await self.send(data)
            with suppress(TimeoutError):
                async with asyncio.timeout(DRIP):
                    while await self.read():
                        pass
                    return

    def reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def close(self) -> None:
        self._socket.close()


class Target(NamedTuple):
    """The service under attack, and what the attacks send to it."""

    port: int
    token: str
    avif: bytes

    @asynccontextmanager
    async def connect(self, buffer: int = 0) -> AsyncIterator[Connection]:
        connection = Connection(buffer)
        try:
            await connection.open(self.port)
            yield connection
        finally:
            connection.close()

    def head(self, line: str, *fields: str, token: str | None = None) -> bytes:
        """Return the head of a request, with the token of the hostile client or another one."""
        authorization = f"Authorization: Bearer {token or self.token}"
        return "\r\n".join([f"{line} HTTP/1.1", "Host: a", authorization, *fields, "\r\n"]).encode()


async def unread_pipeline(target: Target) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    async with target.connect(SMALL) as connection:
        with suppress(TimeoutError):
            async with asyncio.timeout(HOLD):
                await connection.send(request * (PIPELINE // len(request)))
        await asyncio.sleep(HOLD)


async def endless_trailers(target: Target) -> None:
    async with target.connect() as connection:
        await connection.send(target.head("POST /v1/images", "Transfer-Encoding: chunked", "Content-Type: image/png"))
        await connection.send(b"5\r\nhello\r\n0\r\n")
        while True:
            await connection.send(b"a: b\r\n" * 10_000)


async def body_after_early_answer(target: Target) -> None:
    async with target.connect() as connection:
        await connection.send(b"POST /v1/images HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        await connection.read()
        await connection.drip(b"x")


async def slow_head(target: Target) -> None:
    async with target.connect() as connection:
        await connection.send(b"GET /v1/images HTTP/1.1\r\nHost: a\r\n")
        await connection.drip(b"a: b\r\n")


async def slow_body(target: Target) -> None:
    async with target.connect() as connection:
        await connection.send(target.head("POST /v1/images", "Content-Length: 10000000", "Content-Type: image/png"))
        await connection.drip(b"\x89")


async def silence(target: Target) -> None:
    async with target.connect() as connection:
        await connection.read()


async def unread_list(target: Target) -> None:
    async with target.connect(SMALL) as connection:
        await connection.send(target.head("GET /v1/images?limit=200") * 8)
        await asyncio.sleep(HOLD)


async def reset_in_response(target: Target) -> None:
    async with target.connect(SMALL) as connection:
        await connection.send(target.head("GET /v1/images?limit=200"))
        await connection.read()
        connection.reset()


async def large_image(target: Target) -> None:
    """Upload an image that takes long to decode, and hang up."""
    marker = uuid4().bytes  # other bytes each time, in a box that decoders skip
    content = target.avif + struct.pack(">I4s", 8 + len(marker), b"free") + marker
    async with target.connect() as connection:
        await connection.send(
            target.head("POST /v1/images", f"Content-Length: {len(content)}", "Content-Type: image/avif") + content
        )
        await asyncio.sleep(DRIP)
        connection.reset()


async def random_bytes(target: Target) -> None:
    async with target.connect() as connection:
        await connection.send(os.urandom(4096))
        while await connection.read():
            pass


async def wrong_token(target: Target) -> None:
    async with target.connect() as connection:
        for _ in range(10):
            await connection.send(target.head("GET /v1/images", token=tokens.make().text))
            await connection.read()


class Attack(NamedTuple):
    """An attack, the connections that make it at once, and the pause of each between two rounds, in seconds."""

    run: Callable[[Target], Awaitable[None]]
    connections: int
    pause: float


ATTACKS = (
    Attack(unread_pipeline, 20, 1.0),
    Attack(endless_trailers, 2, 2.0),
    Attack(body_after_early_answer, 20, 0.5),
    Attack(slow_head, 20, 0.5),
    Attack(slow_body, 20, 0.5),
    Attack(unread_list, 10, 1.0),
    Attack(reset_in_response, 4, 1.0),
    Attack(large_image, 4, 2.0),
    Attack(random_bytes, 4, 1.0),
    Attack(wrong_token, 2, 1.0),
)


async def attack(target: Target, seconds: float, attacks: tuple[Attack, ...]) -> Counter[str]:
    """Make the attacks for that time, and return the number of finished rounds by attack.

    A round that takes longer than PATIENCE counts as "NAME without end". A connection that is rejected counts as
    "not connected".
    """
    rounds: Counter[str] = Counter()

    async def repeat(one: Attack, number: int) -> None:
        await asyncio.sleep(one.pause * number / one.connections)
        while True:
            name = one.run.__name__
            try:
                async with asyncio.timeout(PATIENCE):
                    await one.run(target)
            except ConnectionRefusedError:
                name = "not connected"
            except TimeoutError:
                name = f"{name} without end"
            except OSError:  # the service ended the connection while the client sent
                pass
            rounds[name] += 1
            await asyncio.sleep(one.pause)

    tasks = [asyncio.create_task(repeat(one, number)) for one in attacks for number in range(one.connections)]
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
    return rounds


def main() -> None:
    port, seconds, silent, megapixels = (int(argument) for argument in sys.argv[1:])
    side = int((megapixels * 1_000_000) ** 0.5)
    target = Target(port, os.environ["TOKEN"], picture("AVIF", (side, side), speed=10))
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asyncio.run(attack(target, seconds, (*ATTACKS, Attack(silence, silent, 1.0))))))


if __name__ == "__main__":
    main()
