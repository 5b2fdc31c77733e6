"""Servers of the soak test: a primary with a hot standby, an object store, and instances of the service."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from app.review import scratch
from app.schema.history import shipped
from app.settings import ROOT
from app.storage.identity import KEY, Identity
from tests.conftest import environment, free_port
from tests.migrations.test_backend import wait_until
from tests.support import forked
from tests.support.cluster import DATABASE, Mortal

WORKERS = 2
YOYO_TIMEOUT = 1800.0  # seconds
DRAIN = 2.0  # seconds that an instance still accepts connections after its /readyz returns 503

OPTIONS = (
    "-c max_connections=100 -c shared_buffers=512MB -c max_wal_size=1GB -c maintenance_work_mem=256MB "
    "-c hot_standby_feedback=on -c wal_keep_size=256MB"
)


def later(release: Path) -> list[str]:
    """Return the migrations that an older release does not have, in order."""
    return sorted(shipped().keys() - shipped(release / "sql" / "migrations").keys())


def edited(release: Path) -> list[str]:
    """Return the migrations that the migrator of an older release would report as edited, in order.

    Releases without app/schema/digest.py compare whole files, with their comments.
    """
    if (release / "app" / "schema" / "digest.py").exists():
        return []
    here, there = shipped(), shipped(release / "sql" / "migrations")
    return sorted(name for name in here.keys() & there.keys() if here[name].whole_file != there[name].whole_file)


class Instance:
    """An instance of the service, started by its entrypoint as in a container, in its own process group."""

    def __init__(self, name: str, release: Path, folder: Path, variables: dict[str, str]) -> None:
        self.name, self.port = name, free_port()
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [release / "entrypoint.sh"],
                env=environment(PYTHONPATH=str(release), UVICORN_PORT=str(self.port), **variables),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def stop(self) -> int:
        """Send SIGTERM, wait, and return the exit status."""
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, 60)

    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if any("spawn_main" in argument for argument in child.cmdline())]

    def kill_worker(self) -> None:
        """Kill one worker with SIGKILL."""
        self.workers()[0].kill()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Stage:
    def __init__(self, folder: Path, memory: Path) -> None:
        self.folder = folder
        self.primary = Mortal(memory / "primary", OPTIONS)
        self.standby = Mortal(memory / "standby")
        self.instances: list[Instance] = []
        (folder / "objects" / "sha256").mkdir(parents=True, exist_ok=True)  # the rows of the soak have no bytes
        hosts = quote(f"{self.primary.data},{self.standby.data}", safe="")
        self.variables = {
            "DATABASE_URL": f"postgresql://postgres@/{DATABASE}?host={hosts}&target_session_attrs=read-write",
            "READ_DATABASE_URL": self.standby.url(DATABASE),
            "STORAGE_URL": f"file:{folder / 'objects'}",
            "AUTH": "none",
            "WEB_CONCURRENCY": str(WORKERS),
            "SHUTDOWN_DELAY": f"{DRAIN:g}",
        }

    def prepare(self, release: Path, rows: int) -> None:
        """Create a database with the schema of the release and with rows, and a standby of it."""
        self.primary.start()
        with psycopg.connect(self.primary.url(), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {DATABASE}".encode())
        self.yoyo("apply", "--revision", "0001_create_images", release=release)
        with psycopg.connect(self.primary.url(DATABASE), autocommit=True) as connection:
            scratch.fill(connection, rows)
        self.yoyo("apply", release=release)
        self.primary.run("VACUUM ANALYZE")
        self.standby = self.primary.standby(self.standby.data)

    def yoyo(self, *arguments: str, release: Path = ROOT) -> None:
        variables = environment(**self.variables, ACCEPT_DATA_LOSS="all", PYTHONPATH=str(release))
        if release == ROOT:
            done = forked.run(variables, "yoyo", *arguments, timeout=YOYO_TIMEOUT)
        else:
            yoyo = Path(sys.executable).with_name("yoyo")
            done = subprocess.run([yoyo, *arguments], cwd=release, env=variables, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"yoyo {' '.join(arguments)}: {done.stdout}{done.stderr}")

    def restore_identity(self) -> None:
        """Give the database the ID of the object store again, which the rollback of every migration dropped."""
        found = Identity.model_validate_json((self.folder / "objects" / KEY).read_bytes())
        self.primary.run("INSERT INTO object_stores (id) VALUES (%s)", found.catalogue)

    def start(self, name: str, release: Path = ROOT) -> Instance:
        instance = Instance(name, release, self.folder, self.variables)
        self.instances.append(instance)
        return instance

    def wait_for_standby(self) -> None:
        """Make replication synchronous, so that a failover loses no acknowledged write.

        Return when the standby also has all earlier writes.
        """
        self.primary.set("synchronous_standby_names", "*")
        [[end]] = self.primary.run("SELECT pg_current_wal_insert_lsn()")
        has_all = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND flush_lsn >= %s"
        wait_until(lambda: self.primary.run(has_all, end))

    def close(self) -> None:
        for instance in self.instances:
            instance.kill()
        for server in (self.primary, self.standby):
            if (server.data / "postmaster.pid").exists():
                server.leave()
