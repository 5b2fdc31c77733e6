"""Data folders for the PostgreSQL servers of tests: made once in a run, and copied for each server."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from app.embedded_postgres import Server, binaries
from app.settings import ROOT
from tests.support import forked

VERSION = int(os.environ.get("PG", "18"))
MEMORY = Path("/dev/shm")  # noqa: S108
MIN_FREE_MEMORY = 8 * 1024**3  # bytes; tests/database/test_plans.py has a million images if EXHAUSTIVE
FOLDER = "images-tests-"  # with the number of a process. The folders of those that have ended are removed
# No data outlives the tests. Only a test vacuums or analyzes a table.
# To drop a database, PostgreSQL looks through all shared buffers, and for its checkpoints too: few are faster.
UNSAFE = "-c fsync=off -c full_page_writes=off -c autovacuum=off -c shared_buffers=16MB"
EMPTY, MIGRATED = "empty", "migrated"  # kinds of data folders. The database of the second one has its name


def has_memory() -> bool:
    """Return whether there is enough memory for the files of the tests, and programs may run there."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < MIN_FREE_MEMORY:
        return False
    return not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC


# The service waits until its files are on the disk, which takes most of the time of an upload. Memory does not wait.
IN_MEMORY = has_memory()
IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
# The folder that all processes of this run share.
RUN = os.getppid() if IS_WORKER else os.getpid()
SHARED = (MEMORY if IN_MEMORY else Path(tempfile.gettempdir())) / f"{FOLDER}{RUN}"


def start_copy(server: Server, kind: str = EMPTY) -> None:
    """Start a server on a new data folder.

    It has no database of a project, or the database `migrated` with the roles of sql/roles.sql.
    """
    copy(server.data, kind, server.version)
    server.start()


def copy(data: Path, kind: str = EMPTY, version: int = VERSION) -> None:
    """Make a data folder, in a new folder, without initdb."""
    data.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", _made(kind, version), data], check=True)


def _made(kind: str, version: int) -> Path:
    """Return the data folder of a stopped server. The first process that asks makes it, and the others wait."""
    source = _made(EMPTY, version) if kind == MIGRATED else None
    SHARED.mkdir(exist_ok=True)
    made = SHARED / f"{kind}-{version}"
    with (SHARED / "making.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            server = Server(SHARED / "making", version, UNSAFE)
            shutil.rmtree(server.data, ignore_errors=True)
            if source:
                subprocess.run(["cp", "-a", source, server.data], check=True)
            server.start()
            try:
                if kind == MIGRATED:
                    _migrate(server)
            finally:
                server.release()
            (server.data / "server.log").unlink()
            server.data.rename(made)
    return made


def _migrate(server: Server) -> None:
    """Make a database whose schema the real migrations make, for the roles of sql/roles.sql."""
    with psycopg.connect(server.url(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {MIGRATED}".encode())
    url = server.url(MIGRATED)
    make_roles(url)
    done = forked.run({"DATABASE_URL": as_role(url, "images_owner")}, "yoyo", "apply")
    assert done.returncode == 0, done.stderr


def make_roles(url: str) -> None:
    """Run sql/roles.sql as the DBA does."""
    done = subprocess.run(
        [binaries(VERSION) / "psql", "--no-psqlrc", "--quiet", "-d", url, "-f", ROOT / "sql" / "roles.sql"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def as_role(url: str, role: str) -> str:
    """Return the URL of the same database, for one of the two roles."""
    return url.replace("postgres@", f"{role}@", 1)


def remove_left() -> None:
    """Remove what runs that were killed have left in memory."""
    for left in MEMORY.glob(f"{FOLDER}*"):
        if not Path("/proc", left.name.rpartition("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
