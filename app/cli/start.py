"""Start of the service: answer health probes while `images wait --migrate` runs, and give the port to uvicorn.

`python -m app.cli.start python -m app.supervisor ...` is a container's first process. It opens the socket of the
service, so that another process answers: /healthz is 200, and /readyz is 503 with the progress of the migrations. Then
it becomes uvicorn, which gets the same socket. When the service accepts connections, the other process ends. So no
probe fails.

It imports only the standard library, because the start of the service waits for it.
"""

import asyncio
import json
import os
import re
import secrets
import signal
import socket
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

WAIT = ("images", "wait", "--migrate")
BACKFILLS = ("images", "schema", "backfill", "run")
BACKLOG = 2048  # connections that wait, as in uvicorn
MAX_CONNECTIONS = 64  # at the same time. More are closed
MAX_HEAD = 8192  # bytes
HEAD_TIMEOUT = 5.0  # seconds
ACCEPTED = 0.1  # seconds until a connection that the loop has just accepted is among the running answers
LAST_ANSWERS = HEAD_TIMEOUT  # seconds for running answers when the service accepts connections
MAX_START = 60.0  # seconds that uvicorn has to start
START_SOCKET = "START_SOCKET"  # environment variable
STARTING = b"starting\n"
OFF = {"false", "f", "no", "n", "off", "0"}  # of MIGRATE
MIGRATION = re.compile(r"\b[0-9]{4}_[a-z0-9_]+")
DONE = re.compile(r"([0-9,]+) of (?:about )?([0-9,]+)")
TRY_AGAIN = "Try again in 5 seconds."


class Health:
    """HTTP server that knows two paths. Each connection has one request, and any other path is 503."""

    def __init__(self) -> None:
        self.progress = ""
        self.running: set[asyncio.Task[None]] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close the connection."""
        task = asyncio.current_task()
        assert task is not None
        self.running.add(task)
        try:
            if len(self.running) <= MAX_CONNECTIONS:
                async with asyncio.timeout(HEAD_TIMEOUT):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._response(head))
                    await writer.drain()
                    if not head.startswith((b"GET ", b"HEAD ")):  # with bytes unread, the client would get a reset
                        writer.write_eof()
                        while await reader.read(MAX_HEAD):
                            pass
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self.running.discard(task)
            writer.close()

    def _response(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD") or path != b"/healthz":
            detail = f"{self.progress} {TRY_AGAIN}" if self.progress else TRY_AGAIN
            problem = {"type": "/problems/migrations-pending", "title": "Migrations are pending", "status": 503}
            status, kind, body = "503 Service Unavailable", "application/problem+json", problem | {"detail": detail}
        else:
            status, kind, body = "200 OK", "application/json", {"status": "alive"}
        content = json.dumps(body).encode()
        lines = [
            f"HTTP/1.1 {status}",
            f"content-type: {kind}",
            f"content-length: {len(content)}",
            "cache-control: no-store",
            "connection: close",
            *(["retry-after: 5"] if status.startswith("503") else []),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == b"HEAD" else content)

    def read(self, line: str) -> None:
        """Take the progress from a line of the migrator: the migration, and how much of it is done. No other words."""
        if (migration := MIGRATION.search(line)) and " waits for " not in line:
            done = DONE.search(line, migration.end())
            after = "after " if line.startswith("applied ") else ""  # the next one has not printed a line yet
            self.progress = f"Migrating: {after}{migration[0]}{f', {done[1]} of {done[2]}' if done else ''}."


def listen() -> socket.socket | None:
    """Return the socket on which uvicorn would listen. Return None if it cannot be opened, or if uvicorn has to do it.

    `images wait` says why it cannot be opened. With TLS, only uvicorn can answer.
    """
    variables = {
        name: os.environ.get(f"UVICORN_{name}") or "" for name in ("FD", "UDS", "HOST", "PORT", "SSL_CERTFILE")
    }
    if variables["SSL_CERTFILE"]:
        return None
    try:
        if variables["FD"]:
            return socket.socket(fileno=os.dup(int(variables["FD"])))
        if variables["UDS"]:
            return _listen_on_path(Path(variables["UDS"]))
        host, port = variables["HOST"] or "127.0.0.1", int(variables["PORT"] or 8000)
        if port == 0 or len({info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}) != 1:
            return None
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if ":" in host:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as asyncio does
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except (OSError, OverflowError):
            listener.close()
            raise
        return listener
    except (OSError, ValueError, OverflowError):
        return None


def _listen_on_path(path: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.stat().st_mode):  # that of an earlier start
            path.unlink()
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        path.chmod(0o666)  # as uvicorn does
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


async def answer_until_stopped(listener: socket.socket, lines: int, told: socket.socket) -> None:
    """Answer probes until the service connects to `told`, or until it has ended or has had time to start.

    `lines` is a pipe with the lines of the migrator. It ends with the process that becomes uvicorn. The line STARTING
    says that it does so now.
    """
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    health = Health()
    reader = asyncio.StreamReader(limit=MAX_HEAD)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(lines, "rb"))
    loop.add_reader(told, over.set)
    server = await asyncio.start_server(health.answer, sock=listener, limit=MAX_HEAD)

    async def read() -> None:
        while line := await _read_line(reader):
            if line == STARTING:
                health.progress = ""
                loop.call_later(MAX_START, over.set)
            else:
                health.read(line.decode(errors="replace"))
        over.set()

    task = asyncio.create_task(read())
    await over.wait()
    task.cancel()
    server.close()
    loop.remove_reader(told)
    told.close()  # no other connection is accepted from here: the service has waited for this
    await asyncio.sleep(ACCEPTED)
    if health.running:
        await asyncio.wait(health.running, timeout=LAST_ANSWERS)
    os._exit(0)  # without the end of the loop, which would report each client that it cuts off


async def _read_line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readuntil()
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:  # a line that is longer than the buffer
        return await stream.readexactly(error.consumed)


def answer_in_background(listener: socket.socket) -> int:
    """Start a process that answers probes, and return the pipe for the lines of the migrator.

    START_SOCKET names the socket to which the service says that it is there: app/web/server/handover.py. The process is
    no child of uvicorn, which would not wait for it.
    """
    told = socket.socket(socket.AF_UNIX)
    name = f"images-start-{secrets.token_hex(16)}"
    told.bind(f"\0{name}")
    told.listen()
    reading, writing = os.pipe()
    os.environ[START_SOCKET] = name
    if child := os.fork():
        os.waitpid(child, 0)
        os.close(reading)
        told.close()
        return writing
    if os.fork():
        os._exit(0)
    os.close(writing)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to this process too
    try:
        asyncio.run(answer_until_stopped(listener, reading, told))
    finally:
        os._exit(0)


def wait(listener: socket.socket | None, progress: int | None) -> int:
    """Run `images wait --migrate`, and return its exit status as a shell counts it. `progress` gets its lines."""
    hidden = {"PROMETHEUS_MULTIPROC_DIR", START_SOCKET} | ({"UVICORN_UDS"} if listener else set())
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    if listener is not None:
        environment["UVICORN_FD"] = str(listener.fileno())  # so it does not try the port
    is_copied = progress is not None and not sys.stdout.isatty()  # a terminal gets the migrator's progress bar
    early: list[int] = []  # signals that arrive before the child exists
    for number in (signal.SIGTERM, signal.SIGINT):  # as the first process it would not end by itself
        signal.signal(number, lambda number, _: early.append(number))
    with subprocess.Popen(WAIT, env=environment, stdout=subprocess.PIPE if is_copied else None) as child:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: child.terminate())
        if early:
            child.terminate()
        for line in child.stdout or ():
            with suppress(OSError):
                os.write(1, line)
            if progress is not None:
                with suppress(OSError):
                    os.write(progress, line[-MAX_HEAD // 2 :])
        status = child.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    return status if status >= 0 else 128 - status


def _remove_metrics() -> None:
    """Remove the empty folder that entrypoint.sh has made, because each failed start would leave another one."""
    folder = Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR", ""))
    if folder.name.startswith("images-metrics-"):
        with suppress(OSError):
            folder.rmdir()


def run_backfills() -> None:
    """Start the backfills that run while the service serves, if there are any and MIGRATE is not false."""
    migrations = Path("sql/migrations").glob("*.sql")
    if os.environ.get("MIGRATE", "true").lower() in OFF:
        return
    if any(b"\n-- phase: background" in path.read_bytes() for path in migrations if path.is_file()):
        subprocess.Popen(BACKFILLS)


def main() -> None:
    """Wait, and become the command of the arguments."""
    listener, progress = listen(), None
    if listener is not None:
        with suppress(OSError):  # a system without such sockets: nothing answers meanwhile
            progress = answer_in_background(listener)
    if status := wait(listener, progress):
        _remove_metrics()
        raise SystemExit(status)
    run_backfills()
    if listener is not None:
        listener.set_inheritable(True)
        os.environ["UVICORN_FD"] = str(listener.fileno())
        os.environ.pop("UVICORN_UDS", None)
    if progress is not None:
        with suppress(OSError):
            os.write(progress, STARTING)
        os.set_inheritable(progress, True)  # it ends with uvicorn
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  # no shell


if __name__ == "__main__":
    main()
