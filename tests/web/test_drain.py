"""Graceful shutdown: SIGTERM makes the service not ready. Requests that run are finished or cut off. Then it ends."""

import asyncio
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from tests.cli.test_entrypoint import ready, service
from tests.conftest import free_port, yoyo_on
from tests.database.test_outages import stopped
from tests.migrations.test_backend import wait_until
from tests.schema.test_migrations import CONTRACTS, IDS
from tests.support.pictures import huge, picture

PNG = {"Content-Type": "image/png"}


@contextmanager
def beginning(port: int, content: bytes, sent: int) -> Iterator[socket.socket]:
    """Send so many bytes of an upload, and yield the connection."""
    head = "POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    head += f"Content-Length: {len(content)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(30)
        client.sendall(head.encode() + content[:sent])
        yield client


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def all_of(client: socket.socket) -> bytes:
    """Return all bytes that the server sends before it closes the connection."""
    return b"".join(iter(lambda: client.recv(65_536), b""))


@pytest.mark.parametrize("workers", [1, 2])
def test_it_serves_until_the_delay_ends_but_is_not_ready(workers: int, database: str, tmp_path: Path) -> None:
    port, content = free_port(), picture("PNG")
    base = f"http://127.0.0.1:{port}"
    with (
        service(database, port, tmp_path, WEB_CONCURRENCY=str(workers), SHUTDOWN_DELAY="600") as process,
        httpx.Client() as kept,
    ):
        wait_until(lambda: ready(port))
        assert "connection" not in kept.get(f"{base}/v1/images").headers
        with beginning(port, content, 100) as upload:
            process.terminate()

            wait_until(lambda: not ready(port))
            answer = httpx.get(f"{base}/readyz")
            assert (answer.status_code, answer.json()["type"]) == (503, "/problems/draining")
            assert answer.headers["retry-after"] == "5"
            for client in (kept, httpx):
                answer = client.get(f"{base}/v1/images")
                assert (answer.status_code, answer.headers["connection"]) == (200, "close")

            if workers == 1:
                process.terminate()
                wait_until(lambda: refused(port))
            else:
                os.killpg(process.pid, signal.SIGINT)
            upload.sendall(content[100:])

            answered = all_of(upload)
            assert answered.startswith(b"HTTP/1.1 201 ")
            assert b"\r\nconnection: close\r\n" in answered
        assert process.wait(timeout=20) == 0


def test_a_request_that_does_not_end_is_cut_off(database: str, connection: psycopg.Connection, tmp_path: Path) -> None:
    """An upload that stalls, one whose decoder does, a content that is not read, a list whose PostgreSQL is frozen."""
    port, content = free_port(), picture("PNG", (1000, 1000))
    base = f"http://127.0.0.1:{port}"
    with (
        # The delay is for what has been sent, and may not have been read.
        service(database, port, tmp_path, SHUTDOWN_DELAY="0.5", UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN="1") as process,
        ThreadPoolExecutor(2) as threads,
    ):
        wait_until(lambda: ready(port))
        longer = content + bytes(4_000_000)
        large = httpx.post(f"{base}/v1/images", content=longer, headers=PNG, timeout=60).headers["location"]
        with beginning(port, content, 100) as stalled, socket.socket() as unread:
            unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            unread.connect(("127.0.0.1", port))
            unread.sendall(f"GET {large}/content HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert unread.recv(8) == b"HTTP/1.1"
            undecoded = threads.submit(httpx.post, f"{base}/v1/images", content=huge(), headers=PNG, timeout=60)
            wait_until(lambda: busy_decoders(process.pid))
            [decoder] = busy_decoders(process.pid)
            decoder.suspend()
            with stopped(connection):
                unanswered = threads.submit(httpx.get, f"{base}/v1/images", timeout=60)
                wait_until(lambda: len(psutil.Process(process.pid).net_connections("tcp4")) == 1 + 4)

                process.terminate()

                assert process.wait(timeout=20) == 0
            assert b" 503 " in all_of(stalled)
            assert undecoded.result().status_code == 503
            assert unanswered.result().status_code == 503
        assert not decoder.is_running()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def busy_decoders(pid: int) -> list[psutil.Process]:
    """Return the decoders of a worker that have a large image in memory."""
    return [child for child in psutil.Process(pid).children() if child.memory_info().rss > 100 * 2**20]


async def test_no_request_fails_while_a_proxy_changes_to_the_new_instance(database: str, tmp_path: Path) -> None:
    """The proxy looks at /readyz, keeps its connections, and tries nothing twice."""
    old_port, new_port = free_port(), free_port()
    up, asked, served, failed = list[int](), Counter[int](), Counter[int](), list[str]()

    async def is_ready(port: int) -> bool:
        try:
            return (await proxy.get(f"http://127.0.0.1:{port}/readyz")).is_success
        except httpx.TransportError:
            return False

    async def look() -> None:
        while True:
            up[:] = [port for port in (old_port, new_port) if await is_ready(port)]
            await asyncio.sleep(0.02)

    async def load() -> None:
        while True:
            port = up[0]
            asked[port] += 1
            try:
                (await proxy.get(f"http://127.0.0.1:{port}/v1/images")).raise_for_status()
            except httpx.HTTPError as error:
                failed.append(repr(error))
            served[port] += 1

    async def until(condition: Callable[[], object]) -> None:
        await asyncio.to_thread(wait_until, condition)

    with (
        service(database, old_port, tmp_path, SHUTDOWN_DELAY="600") as old,
        service(database, new_port, tmp_path),
    ):
        async with httpx.AsyncClient() as proxy:
            tasks = [asyncio.create_task(look())]
            await until(lambda: up == [old_port, new_port])
            tasks += [asyncio.create_task(load()) for _ in range(8)]
            await until(lambda: served[old_port] > 100)

            old.terminate()

            await until(lambda: up == [new_port] and asked[old_port] == served[old_port])
            old.terminate()
            assert await asyncio.to_thread(old.wait, 20) == 0
            enough = served[new_port] + 100
            await until(lambda: served[new_port] > enough)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
    assert failed == []


def test_the_service_waits_for_migrations_that_another_process_applies(empty_database: str, tmp_path: Path) -> None:
    port = free_port()
    with service(empty_database, port, tmp_path, MIGRATE="false", UVICORN_LOG_LEVEL="info") as process:
        assert process.stderr is not None
        says = next(line for line in process.stderr if IDS[0] in line)
        assert "not ready before these migrations are applied: " in says
        assert all((migration in says) == (migration not in CONTRACTS) for migration in IDS)
        wait_until(lambda: not refused(port))
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz")
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/migrations-pending")

        assert yoyo_on(empty_database, "apply").returncode == 0

        assert any("ready: every migration of this release is applied" in line for line in process.stderr)
        assert ready(port)
