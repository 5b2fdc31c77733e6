"""Cluster for tests: PostgreSQL servers that can be killed, and a standby that takes over."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from app.embedded_postgres import Server
from tests.support.data_folders import MIGRATED, VERSION, start_copy
from tests.support.waiting import wait_until

OPTIONS = "-c fsync=off -c max_connections=40 -c shared_buffers=16MB -c wal_retrieve_retry_interval=50ms"
DATABASE = "images"


class Mortal(Server):
    """A server with one database."""

    def __init__(self, data: Path, options: str = "", database: str = DATABASE) -> None:
        super().__init__(data, VERSION, f"{OPTIONS} {options}")
        self._own, self._database = options, database

    def up(self) -> None:
        """Start again. Processes that a killed server has left attached to its memory end a moment later."""
        started = time.monotonic()
        while self._run("pg_ctl", "start", "-w", "-l", self.data / "server.log", "-o", self.options, check=False):
            assert time.monotonic() - started < 30, (self.data / "server.log").read_text()[-2000:]

    def down(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "stop", "-w", "-m", mode)

    def leave(self) -> None:
        """Stop the server forever, whether it runs or was killed."""
        if alive(self.postmaster()):
            self.down("immediate")
        else:
            (self.data / "postmaster.pid").unlink()
        self.release()

    def postmaster(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def processes(self) -> list[int]:
        """Return the IDs of all processes, the postmaster's first."""
        return [self.postmaster(), *(pid for (pid,) in self.run("SELECT pid FROM pg_stat_activity"))]

    def kill(self) -> None:
        """Kill the postmaster with SIGKILL, as the kernel does when memory is short. Wait until all processes ended."""
        pids = self.processes()
        os.kill(pids[0], signal.SIGKILL)
        wait_until(lambda: not any(map(alive, pids)))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all processes with SIGSTOP, and let them continue at the end."""
        pids = self.processes()
        for pid in pids:
            with suppress(ProcessLookupError):  # the session that asked
                os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def run(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(self._database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), arguments or None)
            return cursor.fetchall() if cursor.description else []

    def answers(self) -> bool:
        try:
            return bool(self.run("SELECT 1"))
        except psycopg.OperationalError:
            return False

    def standby(self, data: Path) -> "Mortal":
        """Start a standby of this server, and return it when it streams."""
        shutil.rmtree(data, ignore_errors=True)
        source = f"host={self.data} user=postgres"
        command = [str(self.bin / "pg_basebackup"), "-D", str(data), "-d", source, "-R", "-c", "fast", "--no-sync"]
        subprocess.run([*self.as_user, *command], check=True, cwd="/", stderr=subprocess.DEVNULL)
        (data / ".s.PGSQL.5432.lock").unlink()
        copy = Mortal(data, self._own)
        copy.start()
        wait_until(lambda: self.run("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"))
        return copy

    def promote(self) -> None:
        self._run("pg_ctl", "promote", "-w")

    def set(self, name: str, value: str) -> None:
        """Change a setting that a reload changes, and wait until new sessions have it."""
        self.run(f"ALTER SYSTEM SET {name} = '{value}'")
        self.run("SELECT pg_reload_conf()")
        wait_until(lambda: self.run("SELECT 1 WHERE current_setting(%s) = %s", name, value))


def migrated(data: Path) -> Mortal:
    server = Mortal(data)
    start_copy(server, MIGRATED)
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {MIGRATED} RENAME TO {DATABASE}".encode())
    return server


def url(*servers: Mortal, options: str = "") -> str:
    """Return the URL of the database on these servers, for the role of the service."""
    hosts = quote(",".join(str(server.data) for server in servers), safe="")
    return f"postgresql://images_app@/{DATABASE}?host={hosts}{options}"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may end between the opening and the reading
        return False
