"""The start of the service: probes are answered while migrations run, and uvicorn takes the socket without a gap."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import httpx
import psutil
import psycopg
import pytest

from app.cli import start
from app.cli.start import Health, listen, run_backfills
from app.settings import ROOT
from tests.cli.test_entrypoint import ready, service
from tests.conftest import free_port
from tests.migrations.test_backend import wait_until
from tests.support.deployed import documents, is_healthy
from tests.support.relay import until

HOLD = "SELECT pg_advisory_lock(hashtextextended('yoyo_lock', 0))"


def probe(port: int, stop: Event, failed: list[str]) -> None:
    """Ask as the liveness probe of deploy/kubernetes.yaml does, only more often.

    On a busy machine, an answer can take longer than its time-out. So many in a row restart the container.
    """
    [deployment] = [each for each in documents("deploy/kubernetes.yaml") if each["kind"] == "Deployment"]
    kubernetes = deployment["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]
    timeout, path = kubernetes["timeoutSeconds"], kubernetes["httpGet"]["path"]
    late = 0  # in a row
    while not stop.wait(0.02):
        try:
            status = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=timeout).status_code
        except httpx.TimeoutException as error:
            late += 1
            failed += [repr(error)] if late == kubernetes["failureThreshold"] else []
        except httpx.TransportError as error:
            failed.append(repr(error))
        else:
            late = 0
            failed += [str(status)] if status != 200 else []


def test_probes_are_answered_from_the_migration_to_the_service(empty_database: str, tmp_path: Path) -> None:
    port, stop, failed = free_port(), Event(), list[str]()
    with ExitStack() as stack:
        migrator = stack.enter_context(psycopg.connect(empty_database))
        migrator.execute(HOLD)
        process = stack.enter_context(service(empty_database, port, tmp_path))
        wait_until(lambda: is_healthy(port))
        prober = Thread(target=probe, args=(port, stop, failed))
        prober.start()
        hostile = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(20)]
        for client in hostile[:10]:
            client.sendall(b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 20_000)

        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert answer.headers["retry-after"] == "5"
        assert answer.json()["type"] == "/problems/migrations-pending"
        wait_until(lambda: psutil.Process(process.pid).children())

        migrator.close()
        wait_until(lambda: ready(port))
        stop.set()
        prober.join()

        assert failed == []
        assert psutil.Process(process.pid).name().startswith(("uvicorn", "python"))
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_sigterm_ends_it_while_it_waits(empty_database: str, tmp_path: Path) -> None:
    port = free_port()
    with psycopg.connect(empty_database) as migrator:
        migrator.execute(HOLD)
        with service(empty_database, port, tmp_path) as process:
            waits = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'yoyo %' AND datname = current_database()"
            with psycopg.connect(empty_database, autocommit=True) as witness:
                wait_until(lambda: witness.execute(waits).fetchall())
            [child] = psutil.Process(process.pid).children()

            process.send_signal(signal.SIGTERM)

            assert process.wait(timeout=30) == 130
            assert not child.is_running()


def test_a_socket_of_the_file_system_is_handed_over(database: str, tmp_path: Path) -> None:
    path = tmp_path / "service.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))  # an earlier start that was killed

    def is_ready() -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.settimeout(5)
            client.connect(str(path))
            client.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return client.recv(100).startswith(b"HTTP/1.1 200")
        return False

    with service(database, free_port(), tmp_path, UVICORN_UDS=str(path)):
        wait_until(is_ready)


@asynccontextmanager
async def served(health: Health) -> AsyncIterator[int]:
    server = await asyncio.start_server(health.answer, "127.0.0.1", 0, limit=start.MAX_HEAD)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = b""
    with suppress(ConnectionError):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("request_line", "status", "has_body"),
    [
        ("GET /healthz HTTP/1.1", "200 OK", True),
        ("GET /healthz?x=1 HTTP/1.0", "200 OK", True),
        ("HEAD /healthz HTTP/1.1", "200 OK", False),
        ("POST /healthz HTTP/1.1", "503 Service Unavailable", True),
        ("GET /healthzz HTTP/1.1", "503 Service Unavailable", True),
        ("GET /v1/images HTTP/1.1", "503 Service Unavailable", True),
        ("GET", "503 Service Unavailable", True),
        ("\0\xff", "503 Service Unavailable", True),
    ],
)
async def test_each_request_has_an_answer(request_line: str, status: str, has_body: bool) -> None:
    async with served(Health()) as port:
        answer = await ask(port, request_line.encode() + b"\r\nHost: x\r\n\r\n")

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status}\r\n".encode())
    assert (len(body) > 0) == has_body
    assert re.search(rb"content-length: [0-9]+\r\n", head)


async def test_a_client_that_holds_a_connection_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "HEAD_TIMEOUT", 0.05)
    async with served(Health()) as port:
        assert await ask(port, b"GET /healthz HTTP/1.1\r\nX: ") == b""
        assert await ask(port, b"") == b""
        assert await ask(port, b"a" * 100_000) == b""
        assert (await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_too_many_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "MAX_CONNECTIONS", 2)
    health = Health()
    async with served(health) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        await until(lambda: len(health.running) == 2)
        assert await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n") == b""
        for _, writer in held:
            writer.close()
        await until(lambda: not health.running)
        assert (await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")


TAKES_OVER = """
import socket
from app.cli.start import answer_in_background
from app.web.server.handover import take_over

listener = socket.create_server(("127.0.0.1", 0))
answer_in_background(listener)
with socket.create_connection(listener.getsockname()) as client:
    client.sendall(b"GET /healthz HTTP/1.1\\r\\n\\r\\n")
    assert client.recv(12) == b"HTTP/1.1 200"
take_over()
clients = [socket.create_connection(listener.getsockname()) for _ in range(100)]
listener.settimeout(10)
print(len([listener.accept() for _ in clients]))
"""


def test_the_service_gets_each_connection_after_it_has_taken_over() -> None:
    done = subprocess.run([sys.executable, "-c", TAKES_OVER], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.stderr) == ("100\n", "")


def test_the_progress_has_no_other_words_of_the_migrator() -> None:
    health = Health()
    for line, progress in (
        ("waiting for process 7 (psql)", ""),
        ("applied 0001_create_images in 0.1 s", "Migrating: after 0001_create_images."),
        ("0074_create_merged_tags waits for the command: x", "Migrating: after 0001_create_images."),
        ("0002_fill: 3,000 of about 9,000 rows, 7 rows/s", "Migrating: 0002_fill, 3,000 of 9,000."),
        ("0003_x was undone: process 9 (secret) holds y", "Migrating: 0003_x."),
        ("other words", "Migrating: 0003_x."),
    ):
        health.read(line)
        assert health.progress == progress


def test_which_socket_it_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        variables: dict[str, str]
        for variables, family in (
            ({"PORT": str(free_port())}, socket.AF_INET),
            ({"HOST": "0.0.0.0", "PORT": str(free_port())}, socket.AF_INET),  # noqa: S104
            ({"HOST": "::1", "PORT": str(free_port())}, socket.AF_INET6),
            ({"UDS": str(tmp_path / "s")}, socket.AF_UNIX),
            ({"FD": str(taken.fileno())}, socket.AF_INET),
            ({"PORT": str(taken.getsockname()[1])}, None),
            ({"PORT": "0"}, None),
            ({"PORT": "x"}, None),
            ({"PORT": "70000"}, None),
            ({"HOST": "no.such.host.invalid"}, None),
            ({"UDS": str(tmp_path / "none" / "s")}, None),
            ({"FD": "999"}, None),
            ({"PORT": str(free_port()), "SSL_CERTFILE": "x"}, None),
        ):
            with monkeypatch.context() as patch:
                for name, value in variables.items():
                    patch.setenv(f"UVICORN_{name}", value)
                listener = listen()
            assert (listener.family if listener else None) == family, variables
            if listener:
                listener.close()


def test_it_starts_the_backfills_of_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    started: list[object] = []
    monkeypatch.setattr("app.cli.start.subprocess.Popen", started.append)
    (tmp_path / "sql" / "migrations").mkdir(parents=True)
    path = tmp_path / "sql" / "migrations" / "0001_fill.sql"
    path.write_text("-- Fills.\n-- backfill: t\n")
    run_backfills()
    assert started == []

    path.write_text("-- Fills.\n-- backfill: t\n-- phase: background\n")
    monkeypatch.setenv("MIGRATE", "False")
    run_backfills()
    assert started == []
    monkeypatch.setenv("MIGRATE", "true")
    run_backfills()
    assert started == [("images", "schema", "backfill", "run")]
